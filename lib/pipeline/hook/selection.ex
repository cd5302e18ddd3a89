defmodule Pipeline.Hook.Selection do
  @moduledoc false
  # A chain with the hooks of some plugins only, for runs with `only:` or `except:`. It is compiled in the
  # first such run and kept, until the chain of the point is replaced.

  alias Pipeline.Hook.{Chain, Published}

  # Kept for a point. Others are compiled in each run.
  @most 100

  @typedoc "Plugins, each once and sorted, so that equal selections are found; `nil` for an option that is not given."
  @type t :: {only :: [Pipeline.Plugin.plugin_id()] | nil, except :: [Pipeline.Plugin.plugin_id()] | nil}

  @doc "The selection that options of a run ask for, `nil` for all hooks. Raises `ArgumentError` for wrong ones."
  @spec new!(keyword) :: t | nil
  def new!(opts) do
    case {plugins!(opts, :only), plugins!(opts, :except)} do
      {nil, nil} -> nil
      selection -> selection
    end
  end

  defp plugins!(opts, key) do
    case opts[key] do
      nil -> nil
      ids when is_list(ids) -> ids |> Enum.uniq() |> Enum.sort()
      other -> raise ArgumentError, "#{key}: is a list of plugin ids, got: #{inspect(other)}"
    end
  end

  @doc "Makes the table of this VM, which ends with the calling process."
  @spec start() :: :ok
  def start do
    __MODULE__ = :ets.new(__MODULE__, [:named_table, :public, :bag, read_concurrency: true])
    :ok
  end

  @doc "The chain of a point as runs with this selection find it."
  @spec of(Published.t(), t) :: Published.t()
  def of({drain, _call, _around, chain}, selection) do
    key = {__MODULE__, chain.instance, chain.point, selection}

    case :persistent_term.get(key, nil) do
      {^drain, _, _, _} = kept -> kept
      _none_or_older -> chain |> Chain.select(&selected?(&1, selection)) |> Published.found() |> keep(key)
    end
  end

  defp selected?(%{plugin: plugin}, {only, except}),
    do: (only == nil or plugin in only) and (except == nil or plugin not in except)

  defp keep({_drain, _call, _around, %{instance: nil}} = selected, _key), do: selected

  # First the row, by which it is found to be forgotten.
  defp keep({_drain, _call, _around, chain} = selected, key) do
    point = {chain.instance, chain.point}

    if length(:ets.lookup(__MODULE__, point)) < @most do
      :ets.insert(__MODULE__, {point, key})
      :persistent_term.put(key, selected)
    end

    selected
  end

  @doc "Forgets what is kept for a point whose chain was replaced, or that is gone."
  @spec forget(instance :: term, atom) :: :ok
  def forget(instance, point) do
    for {_point, key} = row <- :ets.lookup(__MODULE__, {instance, point}) do
      :persistent_term.erase(key)
      :ets.delete_object(__MODULE__, row)
    end

    :ok
  end
end
