defmodule Pipeline.Python.VMTest do
  # A VM that ends, in whatever way, leaves no Python.
  use Pipeline.PythonCase, async: true

  @moduletag pool: false

  # One Python waits, one runs bytecode, one holds the interpreter in C code.
  @script """
  {:ok, pool} = Pipeline.Python.start_link(Application.fetch_env!(:python_bridge, :test_settings))
  folder = System.fetch_env!("FOLDER")

  for {function, args} <- [
        {"busy", [600, Path.join(folder, "busy")]},
        {"deaf", [Path.join(folder, "deaf")]},
        {"stubborn", [Path.join(folder, "stubborn")]}
      ] do
    spawn(fn -> Pipeline.Python.call("probe", function, args, pool: pool, timeout: :infinity) end)
  end

  # The last worker is left for this call.
  for name <- ["busy", "deaf", "stubborn"] do
    Enum.find(Stream.repeatedly(fn -> File.exists?(Path.join(folder, name)) || Process.sleep(5) end), &(&1 == true))
  end

  {:ok, idle} = Pipeline.Python.call("os", "getpid", [], pool: pool, timeout: :infinity)
  File.write!(Path.join(folder, "idle"), "\#{idle}")
  # The pool is linked to this process.
  Process.sleep(:infinity)
  """

  for {name, ending} <- [{"killed", "KILL"}, {"terminated", "TERM"}] do
    test "a VM that is #{name}" do
      folder = folder!()
      vm = start_vm(folder)
      pythons = for name <- ~w(busy deaf stubborn idle), do: await_file(Path.join(folder, name))
      assert pythons |> Enum.uniq() |> length() == 4
      for python <- pythons, do: assert(running?(python))
      kill(vm, unquote(ending))
      await_gone(vm)
      Enum.each(pythons, &await_gone/1)
    end
  end

  test "a VM that is killed while workers start" do
    for delay <- [50, 150, 250] do
      folder = folder!()
      vm = start_vm(folder)
      # At some moment of the start; whichever it is, nothing may stay.
      await_file(Path.join(folder, "vm"))
      receive do: (:nothing_sends_this -> :ok), after: (delay -> :ok)
      kill(vm)
      await_gone(vm)
      await(fn -> pythons_in(folder) == [] end)
    end
  end

  # Those whose environment names this folder.
  defp pythons_in(folder) do
    for stat <- Path.wildcard("/proc/[0-9]*/environ"),
        {:ok, environment} <- [File.read(stat)],
        String.contains?(environment, "FOLDER=" <> folder <> <<0>>),
        os_pid = stat |> Path.split() |> Enum.at(2),
        running?(os_pid),
        do: os_pid
  end

  defp start_vm(folder) do
    settings = settings(workers: 4, paths: [Path.expand("test/python")])
    script = "Application.put_env(:python_bridge, :test_settings, #{inspect(settings)})\n" <> @script
    paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
    started = ~s[File.write!(Path.join(System.fetch_env!("FOLDER"), "vm"), "vm")]
    code = "{:ok, _} = Application.ensure_all_started(:python_bridge)\n" <> started <> "\n" <> script

    port =
      Port.open({:spawn_executable, System.find_executable("elixir")}, [
        :binary,
        :stderr_to_stdout,
        {:args, paths ++ ["-e", code]},
        {:env, [{~c"FOLDER", String.to_charlist(folder)}]}
      ])

    {:os_pid, os_pid} = Port.info(port, :os_pid)
    os_pid
  end
end
