defmodule Pipeline.Plugin.Resources do
  @moduledoc """
  What plugins use, and limits to it.

      {:ok, usage} = Pipeline.Plugin.Resources.monitor_plugin(:indexer)
      usage.memory
      [busiest | _] = Pipeline.Plugin.Resources.top(by: :reductions_per_second)

  ## Limits

      use Pipeline.Plugin,
        id: :indexer,
        limits: [max_heap: 200_000_000, message_queue: {10_000, :restart}, memory: {100_000_000, :warn}]

  | limit | unit | |
  |---|---|---|
  | `:max_heap` | bytes | of the heap of the plugin's process. The VM kills the process that needs more, at once; its supervisor starts it again |
  | `:memory` | bytes | of the process in all: heap, stack, messages, and what the VM keeps of it |
  | `:message_queue` | messages | that wait in its mailbox |
  | `:reductions_per_second` | reductions | which is how the BEAM counts work; a scheduler does some millions in a second |

  A limit is a number, or a number and what happens beyond it:

    * `:warn` - the default: it is logged
    * `:restart` - the plugin's process is stopped, with `c:Pipeline.Plugin.stop/1`, and its supervisor starts it again.
      One that does not stop within 5 seconds is killed. It counts as a crash, of which a plugin may have as many as
      its option `:restart` says
    * `:hold` - the plugin is held, with those that depend on it, until an operator lets it go on
    * `:unload` - the plugin is unloaded, with those that depend on it

  `:max_heap` has the VM kill the process unless one of these is named; then it is looked at like the others.

  Limits are declared by the plugin, given by who loads it (`limits:` of `Pipeline.Plugin.Manager.load_plugin/3`, which
  win over the plugin's), and for all plugins of an instance (`limits:` of `Pipeline.Plugin.Manager.start_link/1`, which
  hold where neither says otherwise). `Pipeline.Plugin.Manager.plugin_info/2` shows what holds under `:limits`.

  Each instance has one process that looks at all plugins every second (`sample_interval:` of the instance, in
  milliseconds or `:infinity`). Beyond a limit it emits the plugin event `:plugin_limit_exceeded` with

      %{id: id, what: :message_queue, limit: 10_000, value: 12_031, action: :restart}

  A warning is given once, until the plugin has been below the limit. A process that the VM killed for its heap is
  reported with `value: nil`, `action: :kill`; the VM does not tell why it killed, so any kill of a plugin that has a
  `:max_heap` is reported so.

  ## What is counted

  The plugin's own process. Processes that the plugin has started are its own affair, and hooks run in the process of who
  calls `Pipeline.Hook.run/2`: a hook is limited by its own `timeout:` and `max_heap:`. Binaries above 64 bytes are
  shared by processes and count for none.
  """

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Registry
  alias Pipeline.Options
  alias Pipeline.Plugin.Resources.{Limits, Monitor, Usage}

  @default Pipeline.Plugin
  @orders [:memory, :heap, :reductions, :reductions_per_second, :message_queue]

  @typedoc """
  What a plugin uses.

    * `:memory`, `:heap` - bytes
    * `:reductions` - since its process was started
    * `:reductions_per_second` - between the last two samples, `nil` before there are two
    * `:message_queue` - messages that wait
    * `:uptime` - milliseconds since its process was started
    * `:restarts` - of its process since the plugin was loaded
    * `:limits` - as `plugin_info/2` shows them, and `:exceeded`, those of them that it is beyond now
    * `:hooks` - its hooks as they stand in the chains, with what is counted of them; only from `monitor_plugin/2`
  """
  @type usage :: %{
          required(:id) => Pipeline.Plugin.plugin_id(),
          required(:pid) => pid,
          required(:memory) => non_neg_integer,
          required(:heap) => non_neg_integer,
          required(:reductions) => non_neg_integer,
          required(:reductions_per_second) => non_neg_integer | nil,
          required(:message_queue) => non_neg_integer,
          required(:uptime) => non_neg_integer | nil,
          required(:restarts) => non_neg_integer | nil,
          required(:limits) => Limits.t(),
          required(:exceeded) => [Limits.kind()],
          optional(:hooks) => [map]
        }

  @type exceeded :: %{
          id: Pipeline.Plugin.plugin_id(),
          what: Limits.kind(),
          limit: pos_integer,
          value: non_neg_integer | nil,
          action: Limits.action() | :kill
        }

  @doc """
  What a plugin uses now.

  `{:not_running, id, state}` for one that has no process: it is held or has failed, or is just being restarted.
  Option: `:instance`, by default the application's own.
  """
  @spec monitor_plugin(Pipeline.Plugin.plugin_id(), keyword) ::
          {:ok, usage}
          | {:error, {:not_loaded, Pipeline.Plugin.plugin_id()}}
          | {:error, {:not_running, Pipeline.Plugin.plugin_id(), state :: atom}}
  def monitor_plugin(id, opts \\ []) do
    instance = instance(opts, [:instance], "monitor_plugin/2")

    with {:ok, info} <- fetch(id, instance),
         pid when is_pid(pid) <- Names.whereis(instance, {:plugin, id}),
         %{} = usage <- Usage.of(info, pid, Monitor.known(instance, [id])[id]) do
      {:ok, Map.put(usage, :hooks, Usage.hooks(info, instance))}
    else
      nil -> {:error, {:not_running, id, state(id, instance)}}
      error -> error
    end
  end

  @doc """
  The plugins that use most.

  ## Options

    * `:by` - `:memory` (default), `:heap`, `:reductions`, `:reductions_per_second` or `:message_queue`
    * `:limit` - how many, by default 10
    * `:instance` - by default the application's own
  """
  @spec top(keyword) :: [usage]
  def top(opts \\ []) do
    instance = instance(opts, [:by, :limit, :instance], "top/1")
    by = Keyword.get(opts, :by, :memory)
    limit = Keyword.get(opts, :limit, 10)

    unless by in @orders do
      raise ArgumentError,
            "by: is one of #{Enum.map_join(@orders, ", ", &inspect/1)}, got: #{inspect(by)}." <>
              Options.did_you_mean(by, @orders)
    end

    unless is_integer(limit) and limit >= 0 do
      raise ArgumentError, "limit: is a number of plugins, got: #{inspect(limit)}"
    end

    infos = instance |> Registry.of() |> Registry.list()
    known = Monitor.known(instance, Enum.map(infos, & &1.id))

    infos
    |> Enum.flat_map(fn info ->
      pid = Names.whereis(instance, {:plugin, info.id})
      List.wrap(pid && Usage.of(info, pid, known[info.id]))
    end)
    |> Enum.sort_by(&(Map.fetch!(&1, by) || 0), :desc)
    |> Enum.take(limit)
  end

  @doc """
  Looks at all plugins at once, instead of when it is time, and returns the limits that are exceeded.

  What follows from them has begun when it returns, and not ended. Option: `:instance`.
  """
  @spec sample(keyword) :: [exceeded]
  def sample(opts \\ []), do: opts |> instance([:instance], "sample/1") |> Monitor.sample()

  defp instance(opts, known, function) do
    Options.validate!(opts, known, "Pipeline.Plugin.Resources." <> function)
    opts[:instance] || @default
  end

  defp fetch(id, instance) do
    case Registry.get(Registry.of(instance), id) do
      nil -> {:error, {:not_loaded, id}}
      info -> {:ok, info}
    end
  end

  # Its process has ended since.
  defp state(id, instance) do
    case fetch(id, instance) do
      {:ok, %{state: :started}} -> :restarting
      {:ok, %{state: state}} -> state
      _ -> :unloaded
    end
  end
end
