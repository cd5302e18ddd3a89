defmodule Pipeline.Plugin.Manager.Guards do
  @moduledoc false
  # Which plugins are down on which closed points (`fail: :closed` of `Pipeline.Hook.Spec`).
  #
  # A plugin is put down before its hooks are taken out, and is up again after they are back: both are changes of a chain
  # that runs see at once, so none finds the point open in between. An operator's word is no failure: a plugin that is
  # disabled or unloaded is not down.

  alias Pipeline.Hook.{Chain, ChainStore, Definition, Spec}
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Lifecycle, Overrides}

  @typedoc "The plugins that are down, by point."
  @type down :: %{atom => %{Chain.down_key() => Chain.down()}}

  # Under these keys, since a plugin of that id can come and go by itself. `nil` is what other nodes may know.
  defp unsynced_key(id), do: {:not_synced, id}
  defp unsynced(id), do: %{hooks: [], state: :not_synced, module: nil, id: id}

  # In the same way what the store of the instance has, of which the hooks are not known before it is loaded.
  defp unrestored(id), do: %{{:stored, id} => %{hooks: [], state: :not_restored, module: nil, id: id}}

  @doc """
  Of an instance that is about to start: the plugins that it is to load are down until they run, and in a cluster
  whatever other nodes have until they are asked; and with a store whatever that has.
  """
  @spec at_start([module], spec :: module | nil, clustered? :: boolean, stored? :: boolean) :: down
  def at_start(modules, spec, clustered?, stored?) do
    unknown = if clustered?, do: %{unsynced_key(nil) => unsynced(nil)}, else: %{}
    unknown = if stored?, do: Map.merge(unknown, unrestored(nil)), else: unknown
    down = for {point, []} <- hooks_on_closed(:unknown, nil, spec), into: %{}, do: {point, unknown}

    for module <- modules,
        {id, own, hooks} = read(module),
        {point, hooks} <- hooks_on_closed(hooks, own, spec),
        reduce: down do
      down ->
        why = %{hooks: hooks, state: :loading, module: module}
        Map.update(down, point, %{id => why}, &Map.put_new(&1, id, why))
    end
  end

  # What a plugin says of itself. One that cannot say it may have had hooks anywhere.
  defp read(module) do
    with {:module, ^module} <- Code.ensure_loaded(module), %{id: id} = manifest <- module.__plugin__() do
      {id, Map.get(manifest, :spec), Overrides.declared(module)}
    else
      _ -> {module, nil, :unknown}
    end
  rescue
    _ -> {module, nil, :unknown}
  end

  defp hooks_on_closed(:unknown, _own, nil), do: %{}

  defp hooks_on_closed(:unknown, _own, spec),
    do: for({point, %{fail: :closed}} <- spec.__hookpoints__(), into: %{}, do: {point, []})

  defp hooks_on_closed(definitions, own, spec) do
    definitions
    |> Enum.filter(&(Spec.closed?(spec, &1.point) or Spec.closed?(own, &1.point)))
    |> Enum.group_by(& &1.point, &absent/1)
  end

  defp absent(%{kind: kind, priority: priority, on_error: on_error} = definition) do
    tier = if definition.native, do: :native, else: :elixir
    %{kind: kind, priority: priority, on_error: on_error, tier: tier}
  end

  # A hook that an operator has switched off guards nothing.
  defp guarded(%{module: module} = info, spec) do
    overrides = Map.get(info, :overrides, %{})

    definitions =
      for definition <- Overrides.declared(module),
          {:ok, %{} = overridden} <-
            [Definition.override(definition, Map.get(overrides, definition.point, %{}))],
          do: overridden

    hooks_on_closed(definitions, Map.get(info, :spec), spec)
  end

  @doc "The plugins that are down somewhere, as chains have it."
  @spec standing(instance :: term) :: MapSet.t(Chain.down_key())
  def standing(instance) do
    for point <- ChainStore.points(instance),
        %Chain{down: down} <- [ChainStore.chain(instance, point)],
        {id, _why} <- down,
        into: MapSet.new(),
        do: id
  end

  @doc "Whether a plugin in its state leaves the points closed that it guards."
  @spec down?(Lifecycle.info()) :: boolean
  def down?(%{restarting: true}), do: true
  def down?(%{state: state}) when state in [:failed, :held], do: true
  def down?(%{state: :draining} = info), do: info[:leaves_for] in [:failed, :held]
  # On its way back.
  def down?(%{state: :loading, history: [_loading, %{state: from} | _]}), do: from in [:failed, :held]
  def down?(_info), do: false

  @doc "The chains with a plugin in its state, those only that change."
  @spec changes(instance :: term, Lifecycle.info(), spec :: module | nil) :: %{atom => Chain.t() | nil}
  def changes(instance, %{id: id, module: module} = info, spec) do
    up = up(instance, fn other, _why -> other == id end)

    if down?(info) do
      guarded = guarded(info, spec)

      down =
        for {point, hooks} <- guarded,
            chain = chain(instance, point, Map.get(info, :spec)),
            why = %{hooks: hooks, state: shown(info), module: module},
            Map.get(chain.down, id) != why,
            into: %{},
            do: {point, Chain.put_down(chain, id, why)}

      up |> Map.drop(Map.keys(guarded)) |> Map.merge(down)
    else
      up
    end
  end

  defp shown(%{restarting: true}), do: :restarting
  defp shown(%{state: state}), do: state

  # Only one that no spec of the instance declares has no chain.
  defp chain(instance, point, own) do
    ChainStore.chain(instance, point) ||
      Chain.new(point, instance, Spec.mode(own, point), [], nil, Spec.listening(own, point))
  end

  @doc "The chains on which the plugins are up again that a function chooses."
  @spec up(instance :: term, (Chain.down_key(), Chain.down() -> boolean)) :: %{atom => Chain.t() | nil}
  def up(instance, up?) do
    for point <- ChainStore.points(instance),
        chain = ChainStore.chain(instance, point),
        ids = for({id, why} <- chain.down, up?.(id, why), do: id),
        ids != [],
        into: %{},
        do: {point, ids |> Enum.reduce(chain, &Chain.put_down(&2, &1, nil)) |> Chain.kept()}
  end

  @doc "The chains with the plugins, and no others, that are yet to come from other nodes."
  @spec unsynced(instance :: term, spec :: module | nil, [Plugin.plugin_id()]) :: %{atom => Chain.t()}
  def unsynced(instance, spec, ids) do
    wanted = for id <- ids, into: %{}, do: {unsynced_key(id), unsynced(id)}

    for {point, []} <- hooks_on_closed(:unknown, nil, spec),
        chain = ChainStore.chain(instance, point),
        there = for({{:not_synced, id} = key, _why} <- chain.down, id != nil, do: key),
        Enum.sort(there) != Enum.sort(Map.keys(wanted)),
        into: %{} do
      gone = Enum.reduce(there -- Map.keys(wanted), chain, &Chain.put_down(&2, &1, nil))
      {point, Enum.reduce(wanted, gone, fn {key, why}, chain -> Chain.put_down(chain, key, why) end)}
    end
  end

  @doc "The chains without what other nodes may know."
  @spec synced(instance :: term) :: %{atom => Chain.t() | nil}
  def synced(instance), do: up(instance, fn id, _why -> id == unsynced_key(nil) end)

  @doc "The chains when all is loaded that the store has, but for the plugins that are lost."
  @spec restored(instance :: term, spec :: module | nil, lost :: [Plugin.plugin_id()]) :: %{
          atom => Chain.t() | nil
        }
  def restored(instance, spec, lost) do
    for {point, []} <- hooks_on_closed(:unknown, nil, spec),
        chain = ChainStore.chain(instance, point),
        is_map_key(chain.down, {:stored, nil}),
        into: %{} do
      lost = for id <- lost, {key, why} <- unrestored(id), do: {key, why}

      {point,
       Enum.reduce([{{:stored, nil}, nil} | lost], chain, fn {key, why}, chain ->
         Chain.put_down(chain, key, why)
       end)}
    end
  end

  @doc "Whether a key stands for a plugin of the store that was lost."
  @spec lost?(key :: term, Plugin.plugin_id()) :: boolean
  def lost?({:stored, lost}, id) when lost != nil, do: lost == id or lost == "#{id}"
  def lost?(_key, _id), do: false

  @doc "The chains on which plugins of a module that could not be loaded are no longer about to be."
  @spec refused(instance :: term, module) :: %{atom => Chain.t()}
  def refused(instance, module) do
    for point <- ChainStore.points(instance),
        chain = ChainStore.chain(instance, point),
        {id, %{module: ^module, state: :loading} = why} <- chain.down,
        into: %{},
        do: {point, Chain.put_down(chain, id, %{why | state: :failed})}
  end
end
