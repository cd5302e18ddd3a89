defmodule Pipeline.Cluster.Coordinator do
  @moduledoc false
  # Makes a change on all nodes of an instance, or on none. It locks the nodes in the order of their names, so that two
  # changes never wait for each other. Then all nodes prepare, all perform, all commit. At the first failure every node
  # takes back its part.
  #
  # The nodes monitor this process. If it or the connection ends before the commit, a node takes the change back by
  # itself. A node that is cut off between performing and commit learns of the change when it is back.

  require Logger

  alias Pipeline.Cluster.{Change, Scope, Table}
  alias Pipeline.Instance.Names

  @typedoc "What went wrong, and on which node."
  @type error :: {node, :nodedown | :timeout | term}

  @doc "Runs a change and waits for it. The results are those of the nodes that performed it."
  @spec run(Change.t(), atom) ::
          {:ok, [result :: term]}
          | {:error, {:on_node, node, reason :: term} | {:not_clustered, atom} | {:interrupted, term}}
  def run(change, instance) do
    case Names.whereis(instance, :cluster_changes) do
      nil ->
        {:error, {:not_clustered, instance}}

      tasks ->
        # Whoever asks may end: the change goes on to its end.
        task = Task.Supervisor.async_nolink(tasks, __MODULE__, :coordinate, [change, instance])

        case Task.yield(task, :infinity) do
          {:ok, result} -> result
          {:exit, reason} -> {:error, {:interrupted, reason}}
        end
    end
  end

  @doc false
  @spec coordinate(Change.t(), atom) :: {:ok, [term]} | {:error, {:on_node, node, term}}
  def coordinate(%module{} = change, instance) do
    %{options: %{timeout: timeout}} = Table.settings(instance)
    members = Scope.members({instance, :members})
    lock = make_ref()

    with :ok <- lock(members, lock, timeout),
         {:ok, prepared} <- all(members, {:prepare, lock, change}, timeout),
         {:ok, results} <- all(members, {:perform, lock}, timeout) do
      {found, clocks} = Enum.unzip(prepared)
      entries = module.entries(change, found, results, together(clocks))
      commit(members, {:commit, lock, entries}, timeout)
      {:ok, results}
    else
      {:error, failed, reason} ->
        abort(members, lock, failed, reason, timeout)
        {:error, {:on_node, node(failed), reason}}
    end
  end

  defp together(clocks) do
    Enum.reduce(clocks, %{}, fn of_node, all ->
      Map.merge(all, Map.new(of_node, fn {id, clock} -> {id, [clock]} end), fn _id, one, other ->
        one ++ other
      end)
    end)
  end

  defp lock(members, lock, timeout) do
    Enum.find_value(members, :ok, fn member ->
      with {:ok, [:locked]} <- all([member], {:lock, lock}, timeout), do: nil
    end)
  end

  # The change stands. A node that misses this message learns of the change when nodes compare their tables.
  defp commit(members, request, timeout) do
    for {member, response} <- answers(members, request, timeout), not match?({:ok, _}, response) do
      Logger.warning(
        "node #{node(member)} has performed a change of plugins and not committed it: #{Pipeline.Foreign.term(response)}"
      )
    end
  end

  # The one that failed may hang: it gets the word and is not waited for.
  defp abort(members, lock, failed, reason, timeout) do
    {silent, others} = Enum.split_with(members, &(&1 == failed and reason == :timeout))
    for member <- silent, do: Scope.send_now(member, {:pipeline_cluster, :abort, lock})
    others |> answers({:abort, lock}, timeout) |> Stream.run()
  end

  defp all(members, request, timeout) do
    Enum.reduce_while(answers(members, request, timeout), {:ok, []}, fn
      {_member, {:ok, answer}}, {:ok, answers} -> {:cont, {:ok, answers ++ [answer]}}
      {member, {:error, reason}}, _ -> {:halt, {:error, member, reason}}
    end)
  end

  # Asks all at once. Lazily, so that nobody is waited for after a failure.
  defp answers(members, request, timeout) do
    deadline = System.monotonic_time(:millisecond) + timeout
    requests = for member <- members, do: {member, :gen_server.send_request(member, request)}

    Stream.map(requests, fn {member, request} ->
      left = max(deadline - System.monotonic_time(:millisecond), 0)

      case :gen_server.receive_response(request, left) do
        {:reply, answer} -> {member, answer}
        :timeout -> {member, {:error, :timeout}}
        {:error, {reason, _}} when reason in [:noconnection, :nodedown] -> {member, {:error, :nodedown}}
        {:error, {{:nodedown, _}, _}} -> {member, {:error, :nodedown}}
        {:error, {reason, _}} -> {member, {:error, {:ended, reason}}}
      end
    end)
  end
end
