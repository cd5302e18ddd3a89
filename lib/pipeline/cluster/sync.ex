defmodule Pipeline.Cluster.Sync do
  @moduledoc false
  # Compares the table of this node with all others, and has both sides carry out the entries that they missed.

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
      here -> run(here, Scope.others({instance, :members}), instance, timeout)
    end
  end

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
