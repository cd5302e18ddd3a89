defmodule Pipeline.Plugin.Manager.Locks do
  @moduledoc false
  # A table of locks: who writes a resource excludes everyone else, who reads it excludes writers. The resources are plugin
  # ids, and `{:point, name}` for upgrades that close a hook point.

  @typedoc "The writer, or the number of readers."
  @type t :: %{term => :write | pos_integer}

  @type wanted :: {writes :: [term], reads :: [term]}

  @spec new() :: t
  def new, do: %{}

  @doc "Whether these locks can be taken."
  @spec free?(t, wanted) :: boolean
  def free?(table, _wanted) when table == %{}, do: true

  def free?(table, {writes, reads}) do
    not Enum.any?(writes, &is_map_key(table, &1)) and not Enum.any?(reads, &(table[&1] == :write))
  end

  @doc "Whether somebody writes this resource."
  @spec written?(t, term) :: boolean
  def written?(table, resource), do: table[resource] == :write

  @spec take(t, wanted) :: t
  def take(table, {writes, reads}) do
    table = Enum.reduce(reads, table, fn resource, table -> Map.update(table, resource, 1, &one_more/1) end)
    Enum.reduce(writes, table, &Map.put(&2, &1, :write))
  end

  defp one_more(:write), do: :write
  defp one_more(readers), do: readers + 1

  @doc "Gives back what was taken. Nobody writes and reads one resource."
  @spec release(t, wanted) :: t
  def release(table, {writes, reads}) do
    Enum.reduce(reads, Map.drop(table, writes), fn resource, table ->
      case table do
        %{^resource => 1} -> Map.delete(table, resource)
        %{^resource => readers} -> %{table | resource => readers - 1}
      end
    end)
  end
end
