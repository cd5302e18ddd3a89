defmodule Pipeline.NativeFuzz.Measured do
  @moduledoc "What a VM holds, once all is collected that can be."

  alias Pipeline.NativeFuzz.Replies

  @type t :: %{atom => integer | tuple}

  @spec now(map) :: t
  def now(replies) do
    Replies.settle(replies)
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)

    %{
      processes: :erlang.system_info(:process_count),
      ports: :erlang.system_info(:port_count),
      tables: :erlang.system_info(:ets_count),
      atoms: :erlang.system_info(:atom_count),
      terms: :persistent_term.info().count,
      memory: :erlang.memory(:total),
      resident: resident(),
      replies: Replies.counted(replies)
    }
  end

  @doc "What the operating system has given the VM, in bytes."
  @spec resident() :: non_neg_integer
  def resident do
    [_, kilobytes] = Regex.run(~r/^VmRSS:\s+(\d+) kB/m, File.read!("/proc/self/status"))
    String.to_integer(kilobytes) * 1024
  end

  @doc "Loads what a call might, with all the atoms in it."
  @spec load_code() :: :ok
  def load_code do
    for app <- [:kernel, :stdlib, :elixir, :compiler, :pipeline_plugin] do
      _ = Application.load(app)
      {:ok, modules} = :application.get_key(app, :modules)
      _ = :code.ensure_modules_loaded(modules)
    end

    :ok
  end

  @doc "The atoms made since there were so many, by name."
  @spec atoms_since(non_neg_integer) :: [String.t()]
  def atoms_since(count) do
    # The external format has a tag for the places of the VM's own table.
    for index <- count..(:erlang.system_info(:atom_count) - 1)//1 do
      Atom.to_string(:erlang.binary_to_term(<<131, 75, index::24>>))
    end
  end
end
