defmodule Pipeline.PackageCycles do
  @moduledoc """
  Installs, loads, uses, upgrades, takes back, unloads and uninstalls a package over and over, in this VM, and fails where
  anything of it is left.
  """

  alias Pipeline.{Hook, LeakCheck, Measured, Package}
  alias Pipeline.Package.Units
  alias Pipeline.Plugin.{Manager, Registry}

  @instance :package_cycles
  @opts [instance: @instance]
  @warm_up 15

  # More changes than a registry remembers.
  @changes 5_000

  # What OTP keeps of each loaded version of a module, up to OTP 26, with what the allocators keep for later.
  @bytes_of_module 5_000
  @megabyte 1024 * 1024

  @doc "Takes so many cycles with the packages in a folder, `1.tar.gz` and `2.tar.gz`, of the plugin `:cycled`."
  @spec main([String.t()]) :: no_return
  def main([cycles, folder]) do
    Logger.configure(level: :none)
    {:ok, _} = Application.ensure_all_started(:pipeline_plugin)
    {:ok, _} = Manager.start_link(name: @instance, packages: Path.join(folder, "packages"))
    archives = for number <- [1, 2], do: Path.join(folder, "#{number}.tar.gz")
    Measured.load_code()
    for _ <- 1..@changes, do: change(Registry.owned(@instance))

    # The first batches load what is loaded once, and make its atoms.
    for _ <- 1..2, do: batch(@warm_up, archives)
    _ = LeakCheck.measure()
    batch(@warm_up, archives)
    cycles = String.to_integer(cycles)
    before = LeakCheck.measure()
    vm = vm(folder)
    batch(cycles, archives)
    later = LeakCheck.measure(like: before)
    LeakCheck.assert_flat(before, later)
    same!(vm, vm(folder))
    loads = cycles * loads(archives)

    for kind <- [:total, :resident] do
      grown = later.memory[kind] - before.memory[kind]

      IO.puts(
        "#{cycles} cycles: #{grown} bytes of #{kind} memory more, #{div(grown, loads)} for each module loaded"
      )

      if grown > 8 * @megabyte + loads * @bytes_of_module,
        do: raise("the #{kind} memory has grown by #{grown} bytes in #{cycles} cycles")
    end

    System.halt(0)
  end

  defp change(registry) do
    {:ok, _} = Registry.register(registry, %{id: :changing})
    {:ok, _} = Registry.unregister(registry, :changing)
  end

  # In a process of its own, with which all that it needed goes.
  defp batch(cycles, archives) do
    {pid, monitor} = spawn_monitor(fn -> for _ <- 1..cycles, do: cycle(archives) end)

    receive do
      {:DOWN, ^monitor, _, ^pid, :normal} -> :ok
      {:DOWN, ^monitor, _, ^pid, reason} -> raise Exception.format_exit(reason)
    end
  end

  defp cycle([one, two]) do
    for archive <- [one, two], do: Package.install!(archive, @opts)
    {:ok, :cycled} = Manager.load_plugin("cycled-1.0.0", %{}, @opts)
    seen!("1.0.0")
    {:ok, "2.0.0"} = Package.upgrade(:cycled, "cycled-2.0.0", @opts)
    seen!("2.0.0")
    {:error, _} = Package.upgrade(:cycled, "cycled-1.0.0", @opts ++ [extra: :refuse])
    seen!("2.0.0")
    {:ok, "1.0.0"} = Package.upgrade(:cycled, "cycled-1.0.0", @opts)
    seen!("1.0.0")
    :ok = Manager.unload_plugin(:cycled, @opts ++ [purge: true])
    for version <- ["1.0.0", "2.0.0"], do: :ok = Package.uninstall("cycled-#{version}", @opts)
  end

  defp seen!(version) do
    {:ok, [{^version, thing}]} = Hook.run(@instance, :cycled, [], &Function.identity/1)
    ^version = to_string(thing)
  end

  # Loaded by a load, an upgrade, one that goes back, and another.
  defp loads(archives) do
    modules =
      for archive <- archives,
          {:ok, %{manifest: %{modules: modules}}} <- [Package.verify(archive)],
          do: map_size(modules)

    5 * Enum.max([6 | modules])
  end

  defp vm(folder) do
    %{
      modules: Enum.sort(for {module, _file} <- :code.all_loaded(), do: module),
      old_code: Enum.filter([Cycled, String.Chars, Enumerable], &:erlang.check_old_code/1),
      string_chars: String.Chars.module_info(:md5),
      path: :code.get_path(),
      applications: Enum.sort(for {name, _, _} <- Application.loaded_applications(), do: name),
      units: Units.all(),
      unowned: Units.unowned(),
      ports: length(Port.list()),
      files: Path.wildcard(Path.join(folder, "packages/**"), match_dot: true),
      temporary: Enum.sort(File.ls!(System.tmp_dir!())) |> Enum.filter(&(&1 =~ "cycled"))
    }
  end

  defp same!(before, later) do
    for {what, value} <- later, value != before[what] do
      raise "there are other #{what} than before: #{inspect(before[what])} and then #{inspect(value)}"
    end
  end
end
