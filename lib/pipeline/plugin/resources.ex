defmodule Pipeline.Plugin.Resources do
  @moduledoc """
  Resource usage of plugins, and limits to it.

      iex> defmodule Indexer do
      ...>   use Pipeline.Plugin, id: :indexer, limits: [max_heap: 200_000_000, message_queue: {10_000, :restart}]
      ...> end
      iex> {:ok, :indexer} = Pipeline.Plugin.Manager.load_plugin(Indexer)
      iex> {:ok, usage} = Pipeline.Plugin.Resources.monitor_plugin(:indexer)
      iex> {usage.message_queue, usage.exceeded}
      {0, []}
      iex> usage.limits
      %{max_heap: {200_000_000, :kill}, message_queue: {10_000, :restart}}
      iex> Pipeline.Plugin.Manager.unload_plugin(:indexer)
      :ok

  `top/1` lists the plugins that use most.

  ## Limits

  | limit | unit | |
  |---|---|---|
  | `:max_heap` | bytes | heap of the plugin's process. The VM kills the process at once; its supervisor restarts it |
  | `:memory` | bytes | the whole process: heap, stack, messages and the VM's own data about it |
  | `:message_queue` | messages | messages that wait in the mailbox |
  | `:reductions_per_second` | reductions | the BEAM's unit of work; a scheduler does some millions per second |

  A limit is a number, or `{number, action}`. The actions are

    * `:warn` - the default: log a warning
    * `:restart` - stop the plugin's process with `c:Pipeline.Plugin.stop/1`, or kill it after 5 seconds; its
      supervisor restarts it. This counts as a crash, see the option `restart:` of `Pipeline.Plugin`
    * `:hold` - hold the plugin and its dependents until an operator starts it
    * `:unload` - unload the plugin and its dependents

  With one of these actions, `:max_heap` is sampled like the other limits, and the VM does not kill the
  process.

  A plugin declares its limits with `use Pipeline.Plugin, limits: …`. The option `limits:` of
  `Pipeline.Plugin.Manager.load_plugin/3` wins over them. The option `limits:` of
  `Pipeline.Plugin.Manager.start_link/1` applies where neither names a limit.
  `Pipeline.Plugin.Manager.plugin_info/2` shows the result under `:limits`.

  One process of each instance samples all plugins every second (option `sample_interval:` of the instance, in
  milliseconds or `:infinity`). For an exceeded limit it emits the plugin event `:plugin_limit_exceeded` with

      %{id: id, what: :message_queue, limit: 10_000, value: 12_031, action: :restart}

  A warning is repeated only after the plugin was below the limit. If the VM kills a process for its heap, the
  event has `value: nil` and `action: :kill`. The VM does not report why it killed, so every kill of a plugin
  with a `:max_heap` is reported like that.

  ## Scope

  Figures and limits apply to the plugin's own process. They do not include processes that the plugin started,
  nor its hooks, which run in the process that calls `Pipeline.Hook.run/2`: limit a hook with its `timeout:`
  and `max_heap:`. Binaries above 64 bytes are shared between processes and are not counted.

  A term that shares parts of itself takes much more memory once it is copied to another process. With a
  `:max_heap` for which the VM kills, a plugin hands over no term whose copy, with its binaries, is larger than
  the limit: an answer to a call, a health report, a refusal or the reason with which a callback ends the
  process becomes `{:too_large, id}`, and `Pipeline.Plugin.Events.emit/3` and the functions of
  `Pipeline.Plugin.RPC` exit with `:max_heap`. Other messages of the plugin, and plugins without the limit, are
  not checked: an Elixir plugin is trusted code.
  """

  alias Pipeline.Instance
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Registry
  alias Pipeline.Options
  alias Pipeline.Plugin.Resources.{Limits, Monitor, Usage}

  @orders [:memory, :heap, :reductions, :reductions_per_second, :message_queue]

  @typedoc """
  The resource usage of a plugin.

    * `:memory`, `:heap` - bytes
    * `:reductions` - since the start of its process
    * `:reductions_per_second` - between the last two samples, `nil` before the second
    * `:message_queue` - the number of waiting messages
    * `:uptime` - milliseconds since the start of its process, `nil` if unknown
    * `:restarts` - of its process since the plugin was loaded, `nil` if unknown
    * `:rpc_errors` - requests on which its `handle_rpc/2` failed, since the start of its process
    * `:limits` - as `plugin_info/2` shows them
    * `:exceeded` - the limits that it exceeds now
    * `:hooks` - its hooks with their statistics; only from `monitor_plugin/2`
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
          required(:rpc_errors) => non_neg_integer | nil,
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
  Returns the current resource usage of a plugin.

  `{:not_running, id, state}` means that the plugin has no process: it is held, stopped, failed, or being
  restarted. Option: `:instance`, by default the instance that the application starts.
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
  Returns the plugins that use most, in descending order.

  ## Options

    * `:by` - `:memory` (default), `:heap`, `:reductions`, `:reductions_per_second` or `:message_queue`
    * `:limit` - the number of plugins, by default 10
    * `:instance` - by default the instance that the application starts
  """
  @spec top(keyword) :: [usage]
  def top(opts \\ []) do
    instance = instance(opts, [:by, :limit, :instance], "top/1")
    by = Keyword.get(opts, :by, :memory)
    limit = Keyword.get(opts, :limit, 10)

    unless by in @orders do
      raise ArgumentError,
            "by: takes one of #{Enum.map_join(@orders, ", ", &inspect/1)}, got: #{inspect(by)}." <>
              Options.did_you_mean(by, @orders)
    end

    unless is_integer(limit) and limit >= 0 do
      raise ArgumentError, "limit: takes a number of plugins, got: #{inspect(limit)}"
    end

    infos = instance |> Registry.owned() |> Registry.list()
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
  Samples all plugins now and returns the exceeded limits.

  The actions have been started, not finished, when it returns. Option: `:instance`.
  """
  @spec sample(keyword) :: [exceeded]
  def sample(opts \\ []), do: opts |> instance([:instance], "sample/1") |> Monitor.sample()

  defp instance(opts, known, function) do
    Options.validate!(opts, known, "Pipeline.Plugin.Resources." <> function)
    opts[:instance] || Instance.default()
  end

  defp fetch(id, instance) do
    case Registry.info(Registry.owned(instance), id) do
      nil -> {:error, {:not_loaded, id}}
      info -> {:ok, info}
    end
  end

  # The process ended after it was looked up.
  defp state(id, instance) do
    case fetch(id, instance) do
      {:ok, %{state: :started}} -> :restarting
      {:ok, %{state: state}} -> state
      _ -> :unloaded
    end
  end
end
