defmodule Pipeline.LeakCheck do
  @moduledoc """
  Finds what is left behind: processes and what they hold, names, ETS tables, persistent terms, literals, binaries and
  resources, atoms, and the memory of native libraries.

  Two measurements are compared, one taken before and one after; what is made once and kept has to be made before the
  first.

      before = LeakCheck.measure()
      …
      LeakCheck.assert_flat(before, LeakCheck.measure(like: before))

  That is of the whole VM, for a test that has one of its own. Beside other tests an instance can be measured alone,
  `LeakCheck.measure(instance: name)`: its processes with their words and tables, its persistent terms and plugins.
  Native memory is not known by instance.
  """

  alias Pipeline.LeakCheck.Difference
  alias Pipeline.Measured
  alias Pipeline.Plugin.Manager
  alias Pipeline.Instance.Names

  # Milliseconds, for what has been told to end.
  @patience 10_000
  @pause 2

  # Each thread that reads keeps up to 64 nodes of 2 KiB that the core's collector retires, and threads come to that one
  # after the other.
  @native %{bytes: 2 * 64 * 2072, blocks: 2 * 64}

  # Of the processes that were started to do the same: what one of them happens to be about, a timer, an answer.
  @words 1_000

  @type t :: %{
          required(:scope) => :vm | {:instance, atom},
          required(:counted) => Measured.counted(),
          required(:words) => %{term => non_neg_integer},
          optional(:atoms) => non_neg_integer,
          optional(:new_atoms) => [String.t()],
          optional(:native) => map,
          optional(:memory) => map
        }

  @doc """
  Measures.

  Options:

    * `:instance` - the instance to measure, by default the VM
    * `:like` - an earlier measurement: waits until no more is there than then, ten seconds at most
  """
  @spec measure(keyword) :: t
  def measure(opts \\ []) do
    case opts[:like] do
      nil -> opts |> scope() |> take()
      before -> before |> settle(System.monotonic_time(:millisecond) + @patience) |> name_atoms(before)
    end
  end

  defp scope(opts), do: if(name = opts[:instance], do: {:instance, name}, else: :vm)

  defp settle(before, deadline) do
    now = take(before.scope)

    if Difference.more(before.counted, now.counted) == [] or System.monotonic_time(:millisecond) > deadline do
      now
    else
      # Nothing tells when the VM has freed what is of no use.
      receive do
      after
        @pause -> settle(before, deadline)
      end
    end
  end

  # Only the VM that has made them can tell.
  defp name_atoms(%{scope: :vm} = now, before),
    do: Map.put(now, :new_atoms, Measured.atoms_since(before.atoms))

  defp name_atoms(now, _before), do: now

  defp take(:vm), do: Map.put(Measured.now(), :scope, :vm)

  defp take({:instance, name} = scope) do
    processes = processes(name)

    %{
      scope: scope,
      words: Measured.words(processes),
      counted: %{
        processes: processes |> Enum.map(&Measured.made_by/1) |> Enum.frequencies(),
        tables:
          Enum.frequencies(
            for table <- :ets.all(),
                :ets.info(table, :owner) in processes,
                found <- Measured.table(table),
                do: found
          ),
        persistent_terms:
          Enum.frequencies(for {key, _} <- :persistent_term.get(), mentions?(key, name), do: key),
        plugins: Enum.frequencies(for plugin <- Manager.list_plugins(instance: name), do: plugin.id)
      }
    }
  end

  # Those that the supervisor of the instance has started, and those that they have.
  defp processes(name) do
    root = Names.whereis(name, :instance)

    for pid <- Process.list(),
        {:dictionary, dictionary} <- [Process.info(pid, :dictionary)],
        pid == root or root in Keyword.get(dictionary, :"$ancestors", []),
        do: pid
  end

  defp mentions?([instance | _point], name), do: instance == name
  defp mentions?(key, name) when is_tuple(key), do: name in Tuple.to_list(key)
  defp mentions?(key, name), do: key == name

  @doc """
  Fails where more is there than before, and names it.

  Also where less is: something that should have stayed has gone. Of the words of processes a thousand more are allowed, or
  as many as `:words` says, and of native memory as much as the collector of the core may hold back, or as `:native` says
  (`%{bytes: _, blocks: _}`).
  """
  @spec assert_flat(t, t, keyword) :: :ok
  def assert_flat(before, later, opts \\ []) do
    differences =
      Difference.counted(before.counted, later.counted) ++
        Difference.words(before.words, later.words, opts[:words] || @words) ++
        of_vm(before, later, opts[:native] || @native)

    case differences do
      [] ->
        :ok

      differences ->
        ExUnit.Assertions.flunk("there is not what was before:\n  " <> Enum.join(differences, "\n  "))
    end
  end

  defp of_vm(%{scope: :vm} = before, later, allowed) do
    Difference.atoms(later.atoms - before.atoms, later[:new_atoms]) ++
      Difference.native(before.native, later.native, allowed)
  end

  defp of_vm(_before, _later, _allowed), do: []
end
