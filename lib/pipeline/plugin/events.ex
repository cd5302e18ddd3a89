defmodule Pipeline.Plugin.Events do
  @moduledoc """
  Events among plugins.

  A plugin subscribes with its own id, usually in `c:Pipeline.Plugin.start/1`, and takes events in
  `c:Pipeline.Plugin.handle_event/3`. A process that is no plugin subscribes with its pid and gets the message
  `{:pipeline_event, {:plugin, type}, payload}`. Patterns, slow subscribers and the replay of recorded events are as in
  `Pipeline.Events`, on the types: `:_` stands for all, and `[:order]` with `match: :prefix` for `[:order, :paid]`.

  A subscription ends with the process: a plugin that crashes makes those of its `c:Pipeline.Plugin.start/1` again, and
  those that others have made for it are gone. Who makes some subscribes to `:plugin_restarted` too.

  ## Events of the system itself

    * `:plugin_loaded`, `:plugin_unloaded`, `:plugin_failed` - with `%{id: id}`, the last also with `:reason`
    * `:plugin_restarted` - with `%{id: id}`: it had crashed, and runs again
    * `:plugin_config_updated` - with `%{id: id}`, see `Pipeline.Plugin.Manager.update_config/3`
    * `:plugin_limit_exceeded` - see `Pipeline.Plugin.Resources`
    * `:hook_failed` - with `%{error: %Pipeline.Hook.Error{}}`
    * `:hook_circuit` - with `%{plugin: id, point: point, kind: kind, from: state, to: state, reason: reason, opened: n}`: the
      circuit of a hook is now `:closed`, `:open` or `:half_open`, for one of `:failures`, `:cool_down`, `:trial_failed`,
      `:trials_passed`, `:reset`; it has opened so often
    * `:events_dropped` - with `%{id: id, count: n}`: a plugin was too slow and has missed that many events; it has caught
      up
  """

  alias Pipeline.{Events, HeapLimit, Instance, Options}
  alias Pipeline.Events.Subscription
  alias Pipeline.Plugin.Distribution
  alias Pipeline.Instance.Names

  @doc """
  Sends an event to all plugins and processes that have subscribed to it.

  A plugin with the limit `:max_heap` (`Pipeline.Plugin.Resources`) exits with `:max_heap` if a copy of the payload
  would be larger than that.

  ## Options

    * `:instance` - by default that of the plugin that emits, or the application's own
    * `:nodes` - `:all` sends it to the instance's subscribers on all nodes of its cluster, see `Pipeline.Cluster`;
      by default only events of the types that its `cluster:` option names travel
  """
  @spec emit(type :: term, payload :: term, keyword) :: :ok
  def emit(type, payload, opts \\ []) do
    if opts != [],
      do: Options.validate!(opts, [:instance, :nodes], "Pipeline.Plugin.Events.emit/3")

    # As if the VM had looked: copies go to subscribers, where no limit of the plugin holds.
    unless HeapLimit.fits?(payload), do: exit(:max_heap)
    instance = instance(opts)
    nodes = nodes!(opts[:nodes])
    Events.emit({:plugin, type}, payload, instance: instance)
    Distribution.of(instance).forward(instance, type, payload, nodes)
  end

  @doc false
  # Whether anybody would take an event of the system's. Nobody does of most, and many are told at once.
  @spec heard?(type :: atom, atom) :: boolean
  def heard?(type, instance),
    do: Events.heard?({:plugin, type}, instance) or Distribution.of(instance).forwards?(instance, type)

  defp nodes!(nodes) when nodes in [nil, :all], do: nodes
  defp nodes!(other), do: raise(ArgumentError, "nodes: is :all or left out, got: #{inspect(other)}")

  @doc """
  Subscribes a plugin, or the calling process by its pid, to events of a type.

  Options are those of `Pipeline.Events.subscribe/2`; the `:instance` is by default the application's own, or that of
  the plugin that subscribes itself. With `meta: true` a plugin gets its events in `c:Pipeline.Plugin.handle_message/2`.
  """
  @spec subscribe(Pipeline.Plugin.plugin_id() | pid, type :: term, keyword) ::
          :ok
          | {:error,
             {:not_loaded | :timeout, Pipeline.Plugin.plugin_id()}
             | :not_recording
             | :already_subscribed
             | :too_old
             | :ahead}
  def subscribe(subscriber, type, opts \\ []) do
    function = "Pipeline.Plugin.Events.subscribe/3"
    change(subscriber, Subscription.new!(type, with_instance(opts), function, :plugin), :add, function)
  end

  @doc "Ends a subscription. Options: `:instance`, and `:match` as it was given to `subscribe/3`."
  @spec unsubscribe(Pipeline.Plugin.plugin_id() | pid, type :: term, keyword) ::
          :ok | {:error, {:not_loaded | :timeout, Pipeline.Plugin.plugin_id()}}
  def unsubscribe(subscriber, type, opts \\ []) do
    function = "Pipeline.Plugin.Events.unsubscribe/3"
    change(subscriber, Subscription.of!(type, with_instance(opts), function, :plugin), :remove, function)
  end

  @doc """
  How many events were dropped for a plugin's process, or for a process, because it was too slow.

  Option: `:instance`. See `Pipeline.Events.dropped/1`.
  """
  @spec dropped(Pipeline.Plugin.plugin_id() | pid, keyword) ::
          non_neg_integer | {:error, {:not_loaded, Pipeline.Plugin.plugin_id()}}
  def dropped(subscriber, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Plugin.Events.dropped/2")

    case process(subscriber, instance(opts)) do
      nil -> {:error, {:not_loaded, subscriber}}
      pid -> Events.dropped(pid)
    end
  end

  # A subscription belongs to the process that makes it, so a plugin's process is asked to make its own.
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

  # Options that are no keyword list are refused by who takes them.
  defp with_instance(opts) do
    if Keyword.keyword?(opts), do: Keyword.put(opts, :instance, instance(opts)), else: opts
  end

  defp instance(opts), do: opts[:instance] || Instance.Caller.instance() || Instance.default()
end
