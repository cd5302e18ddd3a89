defmodule Pipeline.Plugin.RPC.Waiting do
  @moduledoc false
  # Which plugin waits for the answer of which, so that a call that would wait for its own caller is refused: A → B → A.
  #
  # A plugin notes what it waits for before it looks for a cycle. So of two that call each other at the same time at least
  # one sees the other's note. A row names the process that waits: that of one that was killed counts no more.

  @type plugin :: {instance :: term, Pipeline.Plugin.plugin_id()}

  @key :"$pipeline_plugin_self"
  # Plugins that wait for each other, in a row.
  @longest 1_000

  @doc "Makes the table of this VM, which ends with the calling process."
  @spec open() :: :ok
  def open do
    __MODULE__ =
      :ets.new(__MODULE__, [:named_table, :public, read_concurrency: true, write_concurrency: true])

    :ok
  end

  @doc "Makes the calling process that of a plugin."
  @spec enter(term, Pipeline.Plugin.plugin_id()) :: :ok
  def enter(instance, id) do
    Process.put(@key, {instance, id})
    :ets.delete(__MODULE__, {instance, id})
    :ok
  end

  @doc "Makes a call to a plugin, unless that waits for the caller. Processes that are no plugin's are not waited for."
  @spec call(plugin, (() -> result)) :: result | {:error, {:cycle, [Pipeline.Plugin.plugin_id()]}}
        when result: term
  def call(target, fun) do
    case Process.get(@key) do
      nil -> fun.()
      caller -> call(caller, target, fun)
    end
  end

  # A callback can have another process make a call for it, and a hook of another plugin can call from this one: what
  # was noted before holds again afterwards.
  defp call(caller, target, fun) do
    :ets.insert(__MODULE__, {caller, self(), target})

    case cycle(target, caller, [target, caller]) do
      nil -> fun.()
      ids -> {:error, {:cycle, ids}}
    end
  after
    :ets.delete(__MODULE__, caller)
  end

  # A plugin that calls itself is told so where it is called.
  defp cycle(caller, caller, _way), do: nil

  defp cycle(plugin, caller, way) do
    case :ets.lookup(__MODULE__, plugin) do
      [{_plugin, pid, ^caller}] ->
        if Process.alive?(pid), do: ids([caller | way])

      [{_plugin, _pid, next}] when length(way) < @longest ->
        if next not in way, do: cycle(next, caller, [next | way])

      _none ->
        nil
    end
  end

  defp ids(way), do: way |> Enum.reverse() |> Enum.map(fn {_instance, id} -> id end)
end
