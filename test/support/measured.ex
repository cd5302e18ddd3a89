defmodule Pipeline.Measured do
  @moduledoc """
  What this VM holds, once all is collected that can be.

  Counted is what has a name or a number. `:words` are live words on the heaps of processes. `:native` are the live
  allocations of each native library that counts them: `VmHooks` always, `Pipeline.Native` when it is built with
  PIPELINE_COUNT_MEMORY=1. The rest is memory of the VM in bytes, with what its allocators keep for later.
  """

  @libraries [Pipeline.Native, VmHooks]

  @typedoc "How many there are of what, for each kind."
  @type counted :: %{atom => %{term => pos_integer}}

  @type t :: %{
          counted: counted,
          words: %{term => non_neg_integer},
          atoms: non_neg_integer,
          native: %{module => {bytes :: integer, blocks :: integer}},
          memory: %{total: non_neg_integer, binary: non_neg_integer, resident: non_neg_integer}
        }

  @spec now() :: t
  def now do
    :erlang.garbage_collect()
    words = words(Process.list())

    %{
      counted: counted(),
      words: words,
      atoms: :erlang.system_info(:atom_count),
      native:
        for(
          library <- @libraries,
          Code.ensure_loaded?(library),
          counts <- native(library),
          into: %{},
          do: {library, counts}
        ),
      memory: %{
        total: :erlang.memory(:total),
        binary: :erlang.memory(:binary),
        resident: resident()
      }
    }
  end

  @doc "What has a name or a number, without collecting anything."
  @spec counted() :: counted
  def counted do
    %{
      processes: Process.list() |> Enum.map(&made_by/1) |> Enum.frequencies(),
      names: Enum.frequencies(Process.registered()),
      ports: %{all: :erlang.system_info(:port_count)},
      tables: :ets.all() |> Enum.flat_map(&table/1) |> Enum.frequencies(),
      persistent_terms: Enum.frequencies(for {key, _} <- :persistent_term.get(), do: key),
      # Those that persistent terms and code leave are freed one by one, each once all processes have been looked at.
      literals: %{all: blocks(:literal_alloc)},
      # What resources of native libraries are allocated as, too.
      binaries: %{all: blocks(:binary_alloc)}
    }
  end

  @doc """
  The words that are alive in processes, by what they were started to do; what they need no more is collected first.

  Without the caller, which works with what it has measured.
  """
  @spec words([pid]) :: %{term => non_neg_integer}
  def words(pids) do
    for pid <- pids, pid != self(), reduce: %{} do
      words ->
        :erlang.garbage_collect(pid)

        case Process.info(pid, :garbage_collection_info) do
          {_, info} ->
            alive = info[:heap_size] + info[:old_heap_size] + info[:mbuf_size]
            Map.update(words, made_by(pid), alive, &(&1 + alive))

          nil ->
            words
        end
    end
  end

  @doc "What a process was started to do."
  @spec made_by(pid) :: mfa | nil
  def made_by(pid) do
    case Process.info(pid, [:dictionary, :initial_call]) do
      [dictionary: dictionary, initial_call: call] -> dictionary[:"$initial_call"] || call
      nil -> nil
    end
  end

  @doc "The name and size of a table, for those that come and go have no name to be told by."
  @spec table(:ets.table()) :: [{atom, non_neg_integer}]
  def table(table) do
    case :ets.info(table, :size) do
      size when is_integer(size) -> [{:ets.info(table, :name), size}]
      :undefined -> []
    end
  end

  defp native(library) do
    [library.memory()]
  rescue
    # It was built without counting.
    RuntimeError -> []
  end

  # How many blocks an allocator of the VM has handed out.
  defp blocks(allocator) do
    Enum.sum(
      for {:instance, _, figures} <- :erlang.system_info({:allocator, allocator}),
          {carriers, parts} when carriers in [:mbcs, :sbcs, :mbcs_pool] <- figures,
          {:blocks, kinds} <- parts,
          {_kind, counts} <- kinds,
          count when elem(count, 0) == :count <- counts,
          do: elem(count, 1)
    )
  end

  # What the operating system has given the VM.
  defp resident do
    [_, kilobytes] = Regex.run(~r/^VmRSS:\s+(\d+) kB/m, File.read!("/proc/self/status"))
    String.to_integer(kilobytes) * 1024
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
