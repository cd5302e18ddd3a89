defmodule Pipeline.Plugin.RPC do
  @moduledoc """
  Calls from plugin to plugin, and from the host to a plugin.

  A plugin answers in `c:Pipeline.Plugin.handle_rpc/2`. A plugin that is missing, crashes or is too slow is an error
  value, never an exit of the caller. An answer that comes too late is dropped, not left in the caller's mailbox.
  """

  alias Pipeline.{Instance, Options}
  alias Pipeline.Plugin.Distribution
  alias Pipeline.Plugin.RPC.Target

  @type reason ::
          {:not_loaded, Pipeline.Plugin.plugin_id()}
          | {state :: atom, Pipeline.Plugin.plugin_id()}
          | {:restarting, Pipeline.Plugin.plugin_id()}
          | {:no_rpc, Pipeline.Plugin.plugin_id()}
          | {:timeout, Pipeline.Plugin.plugin_id()}
          | {:crashed, Pipeline.Plugin.plugin_id(), term}
          | {:calling_self, Pipeline.Plugin.plugin_id()}
          | {:too_large, Pipeline.Plugin.plugin_id()}
          | term

  # The longest that Erlang waits: 49 days.
  @longest 0xFFFF_FFFF

  @doc """
  Calls a plugin and waits for its answer, at most `timeout` milliseconds, or `:infinity`.

  A plugin that has crashed and is being restarted is waited for, within the same time.

  Returns what the plugin answered: `{:ok, reply}`, or `{:error, reason}` with its own reason or one of

    * `{:not_loaded, id}` - there is no such plugin
    * `{:failed, id}` - it has crashed too often; likewise every other state in which a plugin has no process, as
      `Pipeline.Plugin.Manager.plugin_info/2` tells it: `{:held, id}`, `{:stopped, id}`, `{:stopping, id}`
    * `{:restarting, id}` - it had crashed and was not back in time; it has not seen the request
    * `{:no_rpc, id}` - it does not implement `c:Pipeline.Plugin.handle_rpc/2`
    * `{:timeout, id}` - it took too long; it may still do what was asked
    * `{:crashed, id, reason}` - it ended before it answered; it may have done what was asked
    * `{:calling_self, id}` - it is the caller
    * `{:too_large, id}` - its answer, once copied, would take more than its limit `:max_heap`
      (`Pipeline.Plugin.Resources`)

  ## Options

    * `:instance` - by default that of the calling plugin, or the application's own
    * `:node` - of an instance in a cluster (`Pipeline.Cluster`): a node, which answers and no other, or `:any`,
      another one where the plugin does not run here. By default the answer comes from here, and `{:not_loaded, id}` says that
      the plugin is not; an instance with `cluster: [rpc: :any]` looks elsewhere by default

  Another node adds these reasons:

    * `{:nodedown, node}` - there is no connection, or it was lost: the plugin may have done what was asked
    * `{:no_instance, node}` - the node has no such instance in its cluster
  """
  @spec call(Pipeline.Plugin.plugin_id(), term, timeout, keyword) :: {:ok, term} | {:error, reason}
  def call(id, request, timeout \\ 5000, opts \\ []) do
    {instance, node} = target(opts, "Pipeline.Plugin.RPC.call/4")
    deadline = timeout |> check_timeout!() |> deadline()

    cond do
      node == node() -> call_until(instance, id, request, deadline)
      node == :any -> call_any(instance, id, request, deadline)
      true -> Distribution.of(instance).call(instance, node, id, request, deadline)
    end
  end

  # A plugin that is being restarted here is waited for.
  defp call_any(instance, id, request, deadline) do
    case Target.find(instance, id) do
      {:error, reason} when reason != :restarting ->
        with {:error, :nowhere} <- Distribution.of(instance).call_any(instance, id, request, deadline),
             do: {:error, {reason, id}}

      _here ->
        call_until(instance, id, request, deadline)
    end
  end

  defp call_until(instance, id, request, deadline) do
    case Target.await(instance, id, deadline) do
      {:ok, pid} ->
        case ask(pid, request, deadline) do
          # It had ended before the request came.
          :noproc -> call_until(instance, id, request, deadline)
          {:ended, reason} -> {:error, Target.ended(instance, id, reason)}
          {:error, :timeout} -> {:error, {:timeout, id}}
          {:error, :calling_self} -> {:error, {:calling_self, id}}
          {:answer, answer} -> answer
        end

      {:error, reason} ->
        {:error, {reason, id}}
    end
  end

  # Calls by an alias of the caller, which a late answer finds gone.
  defp ask(pid, request, deadline) do
    {:answer, GenServer.call(pid, {:plugin_rpc, request}, left(deadline))}
  catch
    :exit, {:timeout, {GenServer, :call, _}} -> {:error, :timeout}
    :exit, {:noproc, {GenServer, :call, _}} -> :noproc
    :exit, {:calling_self, {GenServer, :call, _}} -> {:error, :calling_self}
    :exit, {reason, {GenServer, :call, _}} -> {:ended, reason}
  end

  @doc """
  Sends a plugin a message, which it takes in `c:Pipeline.Plugin.handle_message/2`, and does not wait.

  The errors are those of `call/4` that say that there is no process: a plugin that is being restarted is not waited for.

  Options: `:instance` and `:node`, as for `call/4`; `:any` is not for casts. Of a plugin on another node `:ok` says that the
  message is on its way, and `{:error, {:busy, node}}` that the node does not take any just now.
  """
  @spec cast(Pipeline.Plugin.plugin_id(), term, keyword) :: :ok | {:error, reason}
  def cast(id, message, opts \\ []) do
    case target(opts, "Pipeline.Plugin.RPC.cast/3") do
      {instance, node} when node in [node(), :any] -> cast_here(instance, id, message)
      {instance, node} -> Distribution.of(instance).cast(instance, node, id, message)
    end
  end

  defp cast_here(instance, id, message) do
    case Target.find(instance, id) do
      {:ok, pid} -> GenServer.cast(pid, {:plugin_message, message})
      {:error, reason} -> {:error, {reason, id}}
    end
  end

  defp target(opts, function) do
    Options.validate!(opts, [:instance, :node], function)
    instance = opts[:instance] || Instance.Caller.instance() || Instance.default()
    {instance, node!(opts[:node] || Distribution.of(instance).default_node(instance) || node())}
  end

  defp node!(node) when is_atom(node), do: node
  defp node!(other), do: raise(ArgumentError, "node: is the name of a node or :any, got: #{inspect(other)}")

  defp check_timeout!(:infinity), do: :infinity
  # The deadline can have passed already.
  defp check_timeout!(timeout) when is_integer(timeout), do: timeout |> max(0) |> min(@longest)

  defp check_timeout!(timeout) do
    raise ArgumentError, "a timeout is a number of milliseconds or :infinity, got: #{inspect(timeout)}"
  end

  defp deadline(:infinity), do: :infinity
  defp deadline(timeout), do: System.monotonic_time(:millisecond) + timeout

  @doc false
  @spec left(integer | :infinity) :: timeout
  def left(:infinity), do: :infinity
  def left(deadline), do: max(deadline - System.monotonic_time(:millisecond), 0)
end
