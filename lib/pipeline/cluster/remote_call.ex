defmodule Pipeline.Cluster.RemoteCall do
  @moduledoc false
  # Calls of plugins on other nodes. Nothing here waits for a node that hangs longer than the caller would.

  alias Pipeline.Cluster.{Directory, Scope, Table}
  alias Pipeline.Native
  alias Pipeline.Plugin.RPC

  @doc "The node to ask where the caller names none."
  @spec default(atom) :: :any | nil
  def default(instance) do
    case Table.settings(instance) do
      %{options: %{rpc: :any}} -> :any
      _ -> nil
    end
  end

  @doc "Asks one of the other nodes that have the plugin; `{:error, :nowhere}` if none has."
  @spec any(atom, Pipeline.Plugin.plugin_id(), term, integer | :infinity) ::
          {:ok, term} | {:error, term} | {:error, :nowhere}
  def any(instance, id, request, deadline) do
    instance |> Directory.nodes(id) |> Enum.shuffle() |> first(instance, id, request, deadline)
  end

  defp first([], _instance, _id, _request, _deadline), do: {:error, :nowhere}

  defp first([node | nodes], instance, id, request, deadline) do
    answer = call(instance, node, id, request, deadline)

    if nodes != [] and unseen?(answer, id, node),
      do: first(nodes, instance, id, request, deadline),
      else: answer
  end

  # An answer that says that the plugin has not seen the request.
  defp unseen?({:error, {state, of}}, id, node) when of in [id, node],
    do: state in [:not_loaded, :draining, :no_instance] or state in Native.Lifecycle.idle()

  defp unseen?(_answer, _id, _node), do: false

  @doc "Asks the plugin on a node."
  @spec call(atom, node, Pipeline.Plugin.plugin_id(), term, integer | :infinity) ::
          {:ok, term} | {:error, term}
  def call(instance, node, id, request, deadline) do
    with {:ok, _inbox} <- inbox(instance, node) do
      # In a process of its own: to send to a node that hangs can take as long as it takes to notice.
      {asker, monitor} =
        spawn_monitor(fn -> exit({:shutdown, ask(instance, node, id, request, deadline)}) end)

      receive do
        {:DOWN, ^monitor, :process, ^asker, {:shutdown, answer}} -> answer
        {:DOWN, ^monitor, :process, ^asker, reason} -> {:error, {:crashed, id, reason}}
      after
        RPC.left(deadline) ->
          Process.demonitor(monitor, [:flush])
          Process.exit(asker, :kill)
          {:error, {:timeout, id}}
      end
    end
  end

  defp ask(instance, node, id, request, deadline) do
    timeout = RPC.left(deadline)
    :erpc.call(node, __MODULE__, :answer, [instance, id, request, timeout], timeout)
  catch
    :error, {:erpc, :noconnection} -> {:error, {:nodedown, node}}
    :error, {:erpc, :timeout} -> {:error, {:timeout, id}}
    :error, {:exception, reason, _stacktrace} -> {:error, {:crashed, id, reason}}
    _kind, reason -> {:error, {:crashed, id, reason}}
  end

  @doc "The answer of the plugin on this node."
  @spec answer(atom, Pipeline.Plugin.plugin_id(), term, timeout) :: {:ok, term} | {:error, term}
  def answer(instance, id, request, timeout) do
    RPC.call(id, request, timeout, instance: instance, node: node())
  end

  @doc "Sends the plugin on a node a message."
  @spec cast(atom, node, Pipeline.Plugin.plugin_id(), term) ::
          :ok | {:error, {:busy | :nodedown | :no_instance, node}}
  def cast(instance, node, id, message) do
    with {:ok, inbox} <- inbox(instance, node),
         {:error, reason} <- Scope.send_now(inbox, {:pipeline_cluster_message, id, message}) do
      {:error, {reason, node}}
    end
  end

  defp inbox(instance, node) do
    case Scope.member({instance, :inboxes}, node) do
      nil -> {:error, {if(node in Node.list(), do: :no_instance, else: :nodedown), node}}
      inbox -> {:ok, inbox}
    end
  end
end
