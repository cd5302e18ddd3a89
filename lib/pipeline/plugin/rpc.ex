defmodule Pipeline.Plugin.RPC do
  @moduledoc """
  Calls between plugins, and from the host to a plugin.

      defmodule MyApp.Plugins.Counter do
        use Pipeline.Plugin, id: :counter

        @impl Pipeline.Plugin
        def init(_config), do: {:ok, 0}

        @impl Pipeline.Plugin
        def handle_rpc(:next, n), do: {:reply, n + 1, n + 1}
      end

      {:ok, 1} = Pipeline.Plugin.RPC.call(:counter, :next)

  A plugin answers in `c:Pipeline.Plugin.handle_rpc/2`. If the plugin is missing, crashes or is too slow, the
  caller gets an error value and does not exit. An answer that comes too late is dropped.

  A hook, a plugin's process, and the processes that they start, call plugins of their own instance. A process
  that outlives the hook that started it names the instance. A `Pipeline.Plugin.Handle`, as hooks get it,
  stands for the id and the instance of its plugin. Under `:instance` it stands for the instance.
  """

  alias Pipeline.{HeapLimit, Options}
  alias Pipeline.Plugin.{Distribution, Handle}
  alias Pipeline.Plugin.RPC.{Target, Waiting}

  @type reason ::
          {:not_loaded, Pipeline.Plugin.plugin_id()}
          | {state :: atom, Pipeline.Plugin.plugin_id()}
          | {:restarting, Pipeline.Plugin.plugin_id()}
          | {:no_rpc, Pipeline.Plugin.plugin_id()}
          | {:timeout, Pipeline.Plugin.plugin_id()}
          | {:unknown_request, Pipeline.Plugin.plugin_id()}
          | {:rpc_failed, Pipeline.Plugin.plugin_id(), term}
          | {:crashed, Pipeline.Plugin.plugin_id(), term}
          | {:calling_self, Pipeline.Plugin.plugin_id()}
          | {:cycle, [Pipeline.Plugin.plugin_id()]}
          | {:too_large, Pipeline.Plugin.plugin_id()}
          | term

  # The longest timeout of Erlang, 49 days.
  @longest 0xFFFF_FFFF

  @doc """
  Calls a plugin and waits for its answer, at most `timeout` milliseconds, or `:infinity`.

  A plugin that crashed and is being restarted is waited for, within the same timeout.

  Returns the answer of the plugin: `{:ok, reply}`, or `{:error, reason}` with its own reason or one of

    * `{:not_loaded, id}` - there is no such plugin
    * `{state, id}` - the plugin is in a state without a process: `:held`, `:stopped`, `:failed`, `:draining`,
      `:discovered` or `:resolved`, see `t:Pipeline.Plugin.Manager.info/0`
    * `{:restarting, id}` - it crashed and was not back in time; it did not get the request
    * `{:no_rpc, id}` - it does not implement `c:Pipeline.Plugin.handle_rpc/2`
    * `{:timeout, id}` - it did not answer in time; it may still execute the request
    * `{:unknown_request, id}` - its `c:Pipeline.Plugin.handle_rpc/2` has no clause for the request
    * `{:rpc_failed, id, reason}` - its `c:Pipeline.Plugin.handle_rpc/2` raised, exited, threw or returned what it may not.
      It goes on with the state from before, unless it says `on_rpc_error: :crash`. Such failures are counted
      (`:rpc_errors` of `Pipeline.Plugin.Resources.monitor_plugin/2`) and logged, at most once a minute
    * `{:crashed, id, reason}` - it ended before it answered; it may have executed the request
    * `{:calling_self, id}` - it is the caller
    * `{:cycle, ids}` - it waits, itself or by others, for the answer of the caller: `[:a, :b, :a]`. It did
      not get the request. Have one of them answer later, by `cast/2`, or ask from a process of its own
    * `{:too_large, id}` - its answer, once copied, would take more than its limit `:max_heap`
      (`Pipeline.Plugin.Resources`)

  ## Options

    * `:instance` - by default the instance of the hook point or plugin that the calling process runs, or the
      one that the application starts
    * `:node` - in a cluster (`Pipeline.Cluster`), the name of the node to call, or `:any`: this node if the
      plugin runs here, otherwise another one. By default this node, or `:any` for an instance with
      `cluster: [rpc: :any]`

  Calls to another node have these further reasons:

    * `{:nodedown, node}` - there is no connection, or it was lost; the plugin may have executed the request
    * `{:no_instance, node}` - the node has no such instance in its cluster
  """
  @spec call(Pipeline.Plugin.plugin_id() | Handle.t(), term, timeout, keyword) ::
          {:ok, term} | {:error, reason}
  def call(id_or_handle, request, timeout \\ 5000, opts \\ []) do
    {id, instance, node} = target(id_or_handle, opts, "Pipeline.Plugin.RPC.call/4")
    within_limit(request)
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
        case Waiting.call({instance, id}, fn -> ask(pid, request, deadline) end) do
          # It ended before the request arrived.
          :noproc -> call_until(instance, id, request, deadline)
          {:ended, reason} -> {:error, Target.ended(instance, id, reason)}
          {:error, :timeout} -> {:error, {:timeout, id}}
          {:error, :calling_self} -> {:error, {:calling_self, id}}
          {:error, {:cycle, ids}} -> {:error, {:cycle, ids}}
          {:answer, answer} -> answer
        end

      {:error, reason} ->
        {:error, {reason, id}}
    end
  end

  # `GenServer.call/3` uses a process alias, so a late answer is dropped.
  defp ask(pid, request, deadline) do
    {:answer, GenServer.call(pid, {:plugin_rpc, request}, left(deadline))}
  catch
    :exit, {:timeout, {GenServer, :call, _}} -> {:error, :timeout}
    :exit, {:noproc, {GenServer, :call, _}} -> :noproc
    :exit, {:calling_self, {GenServer, :call, _}} -> {:error, :calling_self}
    :exit, {reason, {GenServer, :call, _}} -> {:ended, reason}
  end

  @doc """
  Sends a message to a plugin, which handles it in `c:Pipeline.Plugin.handle_message/2`, without waiting.

  Errors are those of `call/4` for a plugin without a process. A plugin that is being restarted is not waited
  for.

  Options: `:instance` and `:node`, as for `call/4`, but `node: :any` casts to this node. For another node,
  `:ok` means that the message was sent, and `{:error, {:busy, node}}` that the node takes no messages at
  present.
  """
  @spec cast(Pipeline.Plugin.plugin_id() | Handle.t(), term, keyword) :: :ok | {:error, reason}
  def cast(id_or_handle, message, opts \\ []) do
    within_limit(message)

    case target(id_or_handle, opts, "Pipeline.Plugin.RPC.cast/3") do
      {id, instance, node} when node in [node(), :any] -> cast_here(instance, id, message)
      {id, instance, node} -> Distribution.of(instance).cast(instance, node, id, message)
    end
  end

  defp cast_here(instance, id, message) do
    case Target.find(instance, id) do
      {:ok, pid} -> GenServer.cast(pid, {:plugin_message, message})
      {:error, reason} -> {:error, {reason, id}}
    end
  end

  defp target(id_or_handle, opts, function) do
    Options.validate!(opts, [:instance, :node], function)
    {id, instance} = Handle.target(id_or_handle, opts)
    {id, instance, node!(opts[:node] || Distribution.of(instance).default_node(instance) || node())}
  end

  # As if the VM had looked: a copy goes to the plugin, where no limit of the caller's holds.
  defp within_limit(request), do: HeapLimit.fits?(request) || exit(:max_heap)

  defp node!(node) when is_atom(node), do: node

  defp node!(other),
    do: raise(ArgumentError, "node: takes the name of a node or :any, got: #{inspect(other)}")

  defp check_timeout!(:infinity), do: :infinity
  # The rest of an earlier deadline can be negative.
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
