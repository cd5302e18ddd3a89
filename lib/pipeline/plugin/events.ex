defmodule Pipeline.Plugin.Events do
  @moduledoc """
  Events between plugins, and from the system to plugins.

      defmodule MyApp.Plugins.Mailer do
        use Pipeline.Plugin, id: :mailer

        @impl Pipeline.Plugin
        def start(state) do
          :ok = Pipeline.Plugin.Events.subscribe(:mailer, :order_paid)
          {:ok, state}
        end

        @impl Pipeline.Plugin
        def handle_event(:order_paid, %{id: id}, state), do: {:ok, [id | state]}
      end

  A plugin subscribes with its own id, usually in `c:Pipeline.Plugin.start/1`, and gets events in
  `c:Pipeline.Plugin.handle_event/3`. Any other process subscribes with its pid and gets messages:

      iex> Pipeline.Plugin.Events.subscribe(self(), :order_paid)
      :ok
      iex> Pipeline.Plugin.Events.emit(:order_paid, %{id: 7})
      :ok
      iex> receive do
      ...>   {:pipeline_event, {:plugin, :order_paid}, payload} -> payload
      ...> end
      %{id: 7}
      iex> Pipeline.Plugin.Events.unsubscribe(self(), :order_paid)
      :ok

  Patterns, limits for slow subscribers and the replay of recorded events work as in `Pipeline.Events`, on the
  type: `:_` stands for all types, and `[:order]` with `match: :prefix` matches `[:order, :paid]`.

  A subscription ends with the process. A plugin that crashes repeats the subscriptions of its
  `c:Pipeline.Plugin.start/1`. Subscriptions that others made for it are gone; subscribe to
  `:plugin_restarted` to make them again.

  ## Events of the system

    * `:plugin_loaded`, `:plugin_unloaded`, `:plugin_failed` - with `%{id: id}`; the last one also has
      `:reason`
    * `:plugin_restarted` - with `%{id: id}`: the plugin crashed and runs again
    * `:plugin_state` - with `%{id: id, from: state, to: state, reason: term, at: time}`, for each change of
      state
    * `:plugin_config_updated` - with `%{id: id}`, see `Pipeline.Plugin.Manager.update_config/3`
    * `:plugin_limit_exceeded` - see `Pipeline.Plugin.Resources`
    * `:hook_failed` - with `%{error: %Pipeline.Hook.Error{}}`
    * `:hook_circuit` - the circuit of a hook changed its state, with
      `%{plugin: id, point: point, kind: kind, from: state, to: state, reason: reason, opened: n}`. A state is
      `:closed`, `:open` or `:half_open`; a reason is `:failures`, `:cool_down`, `:trial_failed`,
      `:trials_passed` or `:reset`; `n` is how often it opened
    * `:events_dropped` - with `%{id: id, count: n}`: a slow plugin missed `n` events and has caught up
  """

  alias Pipeline.{Events, HeapLimit, Options}
  alias Pipeline.Events.Subscription
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.{Distribution, Handle}

  @doc """
  Sends an event to all plugins and processes that subscribed to its type. `emit(handle, type, payload)` sends it in the
  instance of a `Pipeline.Plugin.Handle`.

  A plugin with the limit `:max_heap` (`Pipeline.Plugin.Resources`) exits with `:max_heap` if a copy of the payload
  would be larger than that.

  ## Options

    * `:instance` - by default the instance of the hook point or plugin that the calling process runs, or the one that
      the application starts
    * `:nodes` - `:all` sends the event to subscribers on all nodes of the instance's cluster, see
      `Pipeline.Cluster`. By default only the types that the instance's `cluster:` option names leave the node
  """
  @spec emit((type :: term) | Handle.t(), payload :: term, keyword | (payload :: term)) :: :ok
  def emit(type, payload, opts \\ [])
  def emit(%Handle{} = handle, type, payload), do: emit(type, payload, instance: handle)

  def emit(type, payload, opts) do
    if opts != [],
      do: Options.validate!(opts, [:instance, :nodes], "Pipeline.Plugin.Events.emit/3")

    # As if the VM had looked: copies go to subscribers, where no limit of the plugin holds.
    unless HeapLimit.fits?(payload), do: exit(:max_heap)
    instance = Handle.instance(opts)
    nodes = nodes!(opts[:nodes])
    Events.emit({:plugin, type}, payload, instance: instance)
    Distribution.of(instance).forward(instance, type, payload, nodes)
  end

  @doc false
  # Most events of the system have no subscriber; the caller then skips building the payload.
  @spec heard?(type :: atom, atom) :: boolean
  def heard?(type, instance),
    do: Events.heard?({:plugin, type}, instance) or Distribution.of(instance).forwards?(instance, type)

  defp nodes!(nodes) when nodes in [nil, :all], do: nodes
  defp nodes!(other), do: raise(ArgumentError, "nodes: takes :all or is left out, got: #{inspect(other)}")

  @doc """
  Subscribes a plugin, or the calling process by its pid, to events of a type.

  The options are those of `Pipeline.Events.subscribe/2`. `:instance` is by default the instance of the
  hook point or plugin that the calling process runs, or the one that the application starts. With `meta: true` a plugin gets its events in
  `c:Pipeline.Plugin.handle_message/2`.
  """
  @spec subscribe(Pipeline.Plugin.plugin_id() | Handle.t() | pid, type :: term, keyword) ::
          :ok
          | {:error,
             {:not_loaded | :timeout, Pipeline.Plugin.plugin_id()}
             | :too_many_subscriptions
             | :not_recording
             | :already_subscribed
             | :too_old
             | :ahead}
  def subscribe(subscriber, type, opts \\ []) do
    function = "Pipeline.Plugin.Events.subscribe/3"
    {subscriber, opts} = target(subscriber, opts)
    change(subscriber, Subscription.new!(type, opts, function, :plugin), :add, function)
  end

  @doc "Ends a subscription. Options: `:instance`, and `:match` as given to `subscribe/3`."
  @spec unsubscribe(Pipeline.Plugin.plugin_id() | Handle.t() | pid, type :: term, keyword) ::
          :ok | {:error, {:not_loaded | :timeout, Pipeline.Plugin.plugin_id()}}
  def unsubscribe(subscriber, type, opts \\ []) do
    function = "Pipeline.Plugin.Events.unsubscribe/3"
    {subscriber, opts} = target(subscriber, opts)
    change(subscriber, Subscription.of!(type, opts, function, :plugin), :remove, function)
  end

  @doc """
  Returns how many events were dropped for a plugin, or for a process, because it was too slow.

  Option: `:instance`. See `Pipeline.Events.dropped/1`.
  """
  @spec dropped(Pipeline.Plugin.plugin_id() | Handle.t() | pid, keyword) ::
          non_neg_integer | {:error, {:not_loaded, Pipeline.Plugin.plugin_id()}}
  def dropped(subscriber, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Plugin.Events.dropped/2")
    {subscriber, instance} = Handle.target(subscriber, opts)

    case process(subscriber, instance) do
      nil -> {:error, {:not_loaded, subscriber}}
      pid -> Events.dropped(pid)
    end
  end

  # A subscription belongs to the process that makes it, so the plugin's process is asked to subscribe.
  defp change(subscriber, subscription, change, function) do
    process = process(subscriber, subscription.instance)

    cond do
      process == self() ->
        apply(Subscription, change, [subscription])

      is_pid(subscriber) ->
        raise ArgumentError, "a process subscribes itself: #{function} takes self() or a plugin id"

      process == nil ->
        {:error, {:not_loaded, subscriber}}

      true ->
        call(process, {:subscription, change, subscription}, subscriber)
    end
  end

  defp call(process, request, subscriber) do
    GenServer.call(process, request)
  catch
    :exit, {:timeout, _} -> {:error, {:timeout, subscriber}}
    :exit, _ -> {:error, {:not_loaded, subscriber}}
  end

  defp process(subscriber, _instance) when is_pid(subscriber), do: subscriber
  defp process(subscriber, instance), do: Names.whereis(instance, {:plugin, subscriber})

  # `Subscription` refuses options that are not a keyword list.
  defp target(subscriber, opts) do
    if Keyword.keyword?(opts) do
      {subscriber, instance} = Handle.target(subscriber, opts)
      {subscriber, Keyword.put(opts, :instance, instance)}
    else
      {subscriber, opts}
    end
  end
end
