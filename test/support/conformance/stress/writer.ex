defmodule Pipeline.Conformance.Stress.Writer do
  @moduledoc """
  Loads and unloads plugins without pause, through states that follow each other in a circle.

  One round replaces each plugin by its next version: a by itself, b by itself, c with d, which needs it, in one step.
  No two states of the circle are alike on any point, so what a run gives tells which state it has seen.
  """

  alias Pipeline.Conformance.Stress.Plugins
  alias Pipeline.Plugin.Manager

  @versions 8
  @steps 6

  @typedoc "How many changes were begun, and how many are done, in the slots 1 and 2."
  @type progress :: :atomics.atomics_ref()

  @doc "How many states the circle has."
  @spec states() :: pos_integer
  def states, do: @versions * @steps

  @doc "The place in the circle that each result of a point belongs to."
  @spec places(atom) :: %{term => non_neg_integer}
  def places(point) do
    for place <- 0..(states() - 1), into: %{}, do: {Plugins.expected(point, loaded(place)), place}
  end

  @doc "The modules of all versions of all plugins."
  @spec compile() :: %{{Plugins.id(), Plugins.version()} => module}
  def compile do
    for plugin <- [:a, :b, :c, :d], version <- 0..(@versions - 1), into: %{} do
      {{plugin, version}, Plugins.compile(plugin, version)}
    end
  end

  @doc "Loads what the first state has."
  @spec begin(map, atom) :: :ok
  def begin(modules, instance) do
    {:ok, _} = Manager.load_plugins(for(id <- [:a, :b, :c, :d], do: modules[{id, 0}]), instance: instance)
    :ok
  end

  @doc "Changes states until told to stop."
  @spec run(map, atom, progress) :: :ok
  def run(modules, instance, progress, number \\ 1) do
    receive do
      :stop -> :ok
    after
      0 ->
        :atomics.put(progress, 1, number)
        change(rem(number, @steps), version(number), modules, instance)
        :atomics.put(progress, 2, number)
        run(modules, instance, progress, number + 1)
    end
  end

  # What the change of this number brings.
  defp version(number), do: rem(div(number - 1, @steps) + 1, @versions)

  defp change(1, _version, _modules, instance), do: :ok = Manager.unload_plugin(:a, instance: instance)
  defp change(2, version, modules, instance), do: load([a: version], modules, instance)
  defp change(3, _version, _modules, instance), do: :ok = Manager.unload_plugin(:b, instance: instance)
  defp change(4, version, modules, instance), do: load([b: version], modules, instance)

  defp change(5, _version, _modules, instance),
    do: :ok = Manager.unload_plugin(:c, cascade: true, instance: instance)

  defp change(0, version, modules, instance), do: load([d: version, c: version], modules, instance)

  defp load(versions, modules, instance) do
    {:ok, _} = Manager.load_plugins(Enum.map(versions, &Map.fetch!(modules, &1)), instance: instance)
    :ok
  end

  # What is loaded in a state: each plugin in its old version, gone, or in its new one.
  defp loaded(place) do
    old = div(place, @steps)
    new = rem(old + 1, @versions)
    step = rem(place, @steps)

    for {id, gone, back} <- [{:a, 1, 2}, {:b, 3, 4}, {:c, 5, 6}, {:d, 5, 6}], step != gone, into: %{} do
      {id, if(step >= back, do: new, else: old)}
    end
  end
end
