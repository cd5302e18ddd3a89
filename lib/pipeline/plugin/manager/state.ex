defmodule Pipeline.Plugin.Manager.State do
  @moduledoc false
  # What a manager knows: a copy of the registry, which it writes alone.

  alias Pipeline.Hook.{ChainStore, ChainUpdate}
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Lifecycle, Registry, Restart, Store, Tree}
  alias Pipeline.Plugin.Manager.{Guards, Retry}

  # Milliseconds.
  @settle_after 100

  defstruct [
    :instance,
    :spec,
    :store,
    :operations,
    restart: Restart.default(),
    plugins: %{},
    trees: %{},
    retries: %{},
    down: MapSet.new(),
    configured: MapSet.new(),
    packages: nil,
    traces: %{},
    prepared: %{},
    changes: 0,
    news?: false,
    settling?: false
  ]

  @type t :: %__MODULE__{
          instance: atom,
          spec: module | nil,
          store: Store.t() | nil,
          # What holds for plugins that say nothing else.
          restart: Restart.t(),
          plugins: %{Plugin.plugin_id() => Lifecycle.info()},
          # The monitor of the tree of each plugin that runs.
          trees: %{Plugin.plugin_id() => reference},
          retries: Retry.t(),
          # Those that keep closed points closed.
          down: MapSet.t(Pipeline.Hook.Chain.down_key()),
          # Those that the instance is configured with, and the folder of its packages.
          configured: MapSet.t(Plugin.plugin_id()),
          packages: Path.t() | nil,
          # By the monitor of the process of each.
          traces: %{reference => Pipeline.Hook.Trace.t()},
          operations: Pipeline.Plugin.Manager.Operations.t() | nil,
          # Chains that operations are about to publish, or may put back.
          prepared: %{reference => map},
          # How often chains have been changed.
          changes: non_neg_integer,
          # Whether a plugin has started, for which others may wait.
          news?: boolean,
          # Whether it has told itself to settle the chains that it has changed.
          settling?: boolean
        }

  @doc "The plugins that run, by id: those that meet the dependencies of others."
  @spec running(t) :: %{Plugin.plugin_id() => Lifecycle.info()}
  def running(%__MODULE__{plugins: plugins}) do
    Map.filter(plugins, fn {_id, info} -> info.state == :started end)
  end

  @doc "As tools show it, without secrets: what operations have prepared holds configurations."
  @spec shown(t) :: t
  def shown(%__MODULE__{plugins: plugins} = state) do
    %{state | plugins: Map.new(plugins, fn {id, info} -> {id, Registry.public(info)} end), prepared: %{}}
  end

  @doc "The ids of the plugins in a state."
  @spec in_state(t, Lifecycle.state()) :: [Plugin.plugin_id()]
  def in_state(%__MODULE__{plugins: plugins}, wanted) do
    for {id, %{state: ^wanted}} <- plugins, do: id
  end

  @doc "Takes in a plugin as the registry has it. One that has failed is tried again later."
  @spec put(t, Lifecycle.info()) :: t
  def put(%__MODULE__{} = state, %{id: id} = info) do
    guard(
      %{
        state
        | plugins: Map.put(state.plugins, id, info),
          retries: Retry.follow(state.retries, info),
          news?: state.news? or info.state == :started
      },
      info
    )
  end

  # Closed points close with the state of a plugin, and open.
  defp guard(%__MODULE__{down: down} = state, %{id: id} = info) do
    cond do
      Guards.down?(info) ->
        publish_some(%{state | down: MapSet.put(down, id)}, Guards.changes(state.instance, info, state.spec))

      MapSet.member?(down, id) ->
        publish_some(
          %{state | down: MapSet.delete(down, id)},
          Guards.changes(state.instance, info, state.spec)
        )

      true ->
        state
    end
  end

  defp publish_some(state, changes) when changes == %{}, do: state
  defp publish_some(state, changes), do: publish(state, changes)

  @doc "Plugins of a module that could not be loaded when the instance started."
  @spec refused(t, module) :: t
  def refused(%__MODULE__{} = state, module), do: publish_some(state, Guards.refused(state.instance, module))

  @doc "The plugins that are yet to come from other nodes of the cluster."
  @spec unsynced(t, [Plugin.plugin_id()]) :: t
  def unsynced(%__MODULE__{} = state, ids),
    do: publish_some(state, Guards.unsynced(state.instance, state.spec, ids))

  @doc "Other nodes of the cluster have been asked."
  @spec synced(t) :: t
  def synced(%__MODULE__{} = state), do: publish_some(state, Guards.synced(state.instance))

  @doc "What the store has is loaded, but for some that are lost."
  @spec restored(t, lost :: [Plugin.plugin_id()]) :: t
  def restored(%__MODULE__{} = state, lost) do
    state = publish_some(state, Guards.restored(state.instance, state.spec, lost))
    # Those of the configuration that an operator has unloaded are not to come.
    put_up(state, fn id, why -> why.state == :loading and not is_map_key(state.plugins, id) end)
  end

  @doc "A plugin of the store that was lost is there again, or is not to be."
  @spec found(t, Plugin.plugin_id()) :: t
  def found(%__MODULE__{down: down} = state, id) do
    if Enum.any?(down, &Guards.lost?(&1, id)),
      do: put_up(state, fn key, _why -> Guards.lost?(key, id) end),
      else: state
  end

  @doc "Has the plugins up again that a function chooses."
  @spec put_up(t, (Pipeline.Hook.Chain.down_key(), map -> boolean)) :: t
  def put_up(%__MODULE__{} = state, up?) do
    state = publish_some(state, Guards.up(state.instance, up?))
    %{state | down: Guards.standing(state.instance)}
  end

  @doc "Forgets a plugin, here and in the registry."
  @spec delete(t, Plugin.plugin_id()) :: t
  def delete(%__MODULE__{} = state, id) do
    {:ok, _} = Registry.unregister(Registry.owned(state.instance), id)
    state = %{state | plugins: Map.delete(state.plugins, id), retries: Retry.forget(state.retries, id)}
    if MapSet.member?(state.down, id), do: put_up(state, fn other, _why -> other == id end), else: state
  end

  @doc "Plugins enter a state, all in one step for who reads the registry."
  @spec enter(t, [Plugin.plugin_id()], Lifecycle.state(), reason :: term) :: t
  def enter(%__MODULE__{} = state, ids, to, reason) do
    update(state, ids, &Lifecycle.enter!(&1, to, reason))
  end

  @doc "The same with a change of one's own, which ends in a transition."
  @spec update(t, [Plugin.plugin_id()], (Lifecycle.info() -> Lifecycle.info())) :: t
  def update(state, ids, change) do
    state = note(state, ids, change)
    announce(state, ids)
    state
  end

  @doc "The same without an event."
  @spec note(t, [Plugin.plugin_id()], (Lifecycle.info() -> Lifecycle.info())) :: t
  def note(state, [], _change), do: state

  def note(%__MODULE__{} = state, ids, change) do
    infos = for id <- ids, do: change.(Map.fetch!(state.plugins, id))
    # Points close before anyone reads why.
    state = infos |> Enum.filter(&Guards.down?/1) |> Enum.reduce(state, &guard(&2, &1))
    {:ok, _} = Registry.replace_all(Registry.owned(state.instance), infos)
    Enum.reduce(infos, state, &put(&2, &1))
  end

  @doc "Tells the last transition of plugins to who has subscribed."
  @spec announce(t, [Plugin.plugin_id()]) :: :ok
  def announce(%__MODULE__{} = state, ids) do
    Lifecycle.announce(for(id <- ids, do: state.plugins[id]), state.instance)
  end

  @doc "Whether an operator has disabled a plugin, by what outlives the VM."
  @spec disabled?(t, Plugin.plugin_id()) :: boolean
  def disabled?(%__MODULE__{store: nil}, _id), do: false
  def disabled?(%__MODULE__{store: store}, id), do: Store.disabled?(store, id)

  @doc "Notes that a plugin is disabled, or is no longer, where that is to outlive the VM."
  @spec note_disabled(t, Plugin.plugin_id(), {:disabled, reason :: term} | :enabled) ::
          {:ok, t} | {:error, Store.Error.t()}
  def note_disabled(%__MODULE__{store: nil} = state, _id, _note), do: {:ok, state}

  def note_disabled(%__MODULE__{store: store} = state, id, note) do
    changed =
      case note do
        {:disabled, reason} -> Store.put(store, id, reason)
        :enabled -> if Store.disabled?(store, id), do: Store.delete(store, id), else: {:ok, store}
      end

    with {:ok, store} <- changed, do: {:ok, %{state | store: store}}
  end

  @doc "Makes changes of chains visible, all in one step."
  @spec publish(t, ChainUpdate.t()) :: t
  def publish(%__MODULE__{} = state, changes) do
    ChainStore.publish(state.instance, changes)
    settle_later(changed(state))
  end

  @doc "Notes that chains have changed: what was prepared before is out of date."
  @spec changed(t) :: t
  def changed(%__MODULE__{changes: changes} = state), do: %{state | changes: changes + 1}

  @doc "Has the chains that were changed put in place alone, not after each of many changes in a row."
  @spec settle_later(t) :: t
  def settle_later(%__MODULE__{settling?: true} = state), do: state

  def settle_later(state) do
    Process.send_after(self(), :settle, @settle_after)
    %{state | settling?: true}
  end

  @doc """
  Has the manager told, by `{{:tree, id}, monitor, :process, pid, reason}`, when the tree of a plugin ends. One that has ended
  already did so by itself, unless another reason is given.
  """
  @spec watch(t, Plugin.plugin_id(), reason :: term) :: t
  def watch(%__MODULE__{} = state, id, ended \\ :shutdown) do
    state = unwatch(state, id)

    monitor =
      case Tree.find(state.instance, id) do
        {pid, _phase} -> :erlang.monitor(:process, pid, tag: {:tree, id})
        nil -> make_ref() |> tap(&send(self(), {{:tree, id}, &1, :process, nil, ended}))
      end

    put_in(state.trees[id], monitor)
  end

  @doc "No longer is the manager told."
  @spec unwatch(t, Plugin.plugin_id()) :: t
  def unwatch(%__MODULE__{} = state, id) do
    {monitor, trees} = Map.pop(state.trees, id)
    if monitor, do: Process.demonitor(monitor, [:flush])
    %{state | trees: trees}
  end

  defimpl Inspect do
    alias Pipeline.Plugin.Manager.State
    def inspect(state, opts), do: Inspect.Any.inspect(State.shown(state), opts)
  end
end
