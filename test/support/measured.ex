defmodule Pipeline.Measured do
  @moduledoc "What this VM holds, once all is collected that can be."

  @typedoc "Counts, tables and names, which are exact, and memory in bytes, which is not."
  @type t :: %{
          exact: %{atom => term},
          memory: %{total: non_neg_integer, binary: non_neg_integer, resident: non_neg_integer}
        }

  @spec now() :: t
  def now do
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)

    %{
      exact: %{
        processes: :erlang.system_info(:process_count),
        ports: :erlang.system_info(:port_count),
        persistent_terms: :persistent_term.info().count,
        tables: tables(),
        names: Enum.sort(Process.registered())
      },
      atoms: :erlang.system_info(:atom_count),
      memory: %{
        total: :erlang.memory(:total),
        binary: :erlang.memory(:binary),
        resident: resident()
      }
    }
  end

  # By name and size, for those that come and go have no name to be told by.
  defp tables do
    Enum.sort(
      for table <- :ets.all(),
          size = :ets.info(table, :size),
          is_integer(size),
          do: {:ets.info(table, :name), size}
    )
  end

  # What the operating system has given the VM: native memory is in it.
  defp resident do
    [_, kilobytes] = Regex.run(~r/^VmRSS:\s+(\d+) kB/m, File.read!("/proc/self/status"))
    String.to_integer(kilobytes) * 1024
  end

  @doc """
  Measures once no more than so many processes are left, or when those that were told to end have had time for it.
  """
  @spec settled(non_neg_integer) :: t
  def settled(processes, looks \\ 10_000) do
    if :erlang.system_info(:process_count) <= processes or looks == 0 do
      now()
    else
      :erlang.yield()
      settled(processes, looks - 1)
    end
  end

  @doc "Loads what a call might, with all the atoms in it."
  @spec load_code() :: :ok
  def load_code do
    for app <- [:kernel, :stdlib, :elixir, :compiler, :logger, :pipeline_plugin] do
      _ = Application.load(app)
      {:ok, modules} = :application.get_key(app, :modules)
      _ = :code.ensure_modules_loaded(modules)
    end

    :ok
  end

  @doc "The atoms made since there were so many, by name."
  @spec atoms_since(non_neg_integer) :: [String.t()]
  def atoms_since(count) do
    # The external format has a tag for places in the VM's own table.
    for index <- count..(:erlang.system_info(:atom_count) - 1)//1 do
      Atom.to_string(:erlang.binary_to_term(<<131, 75, index::24>>))
    end
  end
end
