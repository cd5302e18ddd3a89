defmodule Pipeline.Cluster.Sync do
  @moduledoc false
  # Compares the table of this node with all others, and has both sides carry out the entries that they missed.
  #
  # Nodes that have only just been connected are asked themselves whether they are in the cluster: their groups of :pg
  # arrive some time after the connection stands.

  alias Pipeline.Plugin
  alias Pipeline.Cluster.{Scope, Table}
  alias Pipeline.Instance.Names

  @type error ::
          {:pending, [Plugin.plugin_id()]}
          | {:not_clustered, instance :: term}
          | {:on_node, node, :timeout | :nodedown | term}

  @spec run(atom, timeout) :: :ok | {:error, error}
  def run(instance, timeout) do
    case Names.whereis(instance, :cluster_member) do
      nil -> {:error, {:not_clustered, instance}}
      here -> with {:ok, others} <- others(instance, timeout), do: run(here, others, instance, timeout)
    end
  end

  defp others(instance, timeout) do
    known = Scope.others({instance, :members})
    nodes = Node.list() -- Enum.map(known, &node/1)
    answers = :erpc.multicall(nodes, __MODULE__, :member, [instance], timeout)

    nodes
    |> Enum.zip(answers)
    |> Enum.reduce_while({:ok, known}, fn {node, answer}, {:ok, others} ->
      case answer do
        {:ok, member} when is_pid(member) -> {:cont, {:ok, others ++ [member]}}
        {:error, {:erpc, reason}} when reason in [:timeout, :noconnection] -> {:halt, on_node(node, reason)}
        # Without the instance, or without this library.
        _none -> {:cont, {:ok, others}}
      end
    end)
  end

  defp on_node(node, :timeout), do: {:error, {:on_node, node, :timeout}}
  defp on_node(node, :noconnection), do: {:error, {:on_node, node, :nodedown}}

  @doc "The process of this node that takes part in changes. It is there before its group is known elsewhere."
  @spec member(atom) :: pid | nil
  def member(instance), do: Names.whereis(instance, :cluster_member)

  defp run(here, others, instance, timeout) do
    with :ok <- each(others, &pull(here, &1, instance, timeout)),
         # An entry from one node can be news for another.
         :ok <- each(others, &push(&1, instance, timeout)),
         {:ok, :ok} <- ask(here, {:merge, []}, timeout) do
      case for({entry, here} <- Table.all(instance), here.applied != entry.clock, do: entry.id) do
        [] -> :ok
        pending -> {:error, {:pending, Enum.sort(pending)}}
      end
    end
  end

  defp each(members, step), do: Enum.find_value(members, :ok, &with(:ok <- step.(&1), do: nil))

  defp pull(here, member, instance, timeout) do
    with {:ok, {entries, _digest}} <- ask(member, {:exchange, Table.digest(instance)}, timeout),
         {:ok, :ok} <- ask(here, {:merge, entries}, timeout),
         do: :ok
  end

  defp push(member, instance, timeout) do
    with {:ok, {_entries, digest}} <- ask(member, {:exchange, Table.digest(instance)}, timeout),
         missed = for({entry, _here} <- Table.all(instance), entry.clock != digest[entry.id], do: entry),
         {:ok, :ok} <- ask(member, {:merge, missed}, timeout),
         do: :ok
  end

  defp ask(member, request, timeout) do
    {:ok, GenServer.call(member, request, timeout)}
  catch
    :exit, {:timeout, _} -> {:error, {:on_node, node(member), :timeout}}
    :exit, {{:nodedown, _}, _} -> {:error, {:on_node, node(member), :nodedown}}
    :exit, {reason, _} -> {:error, {:on_node, node(member), reason}}
  end
end
