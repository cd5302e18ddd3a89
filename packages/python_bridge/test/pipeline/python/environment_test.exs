defmodule Pipeline.Python.EnvironmentTest do
  # Without a network: packages are wheels that the tests make.
  use Pipeline.PythonCase, async: true

  alias Pipeline.Python.Environment

  @moduletag pool: false

  setup do
    folder = folder!()
    {:ok, root: Path.join(folder, "python"), folder: folder}
  end

  test "makes an environment with the packages, once", %{root: root, folder: folder} do
    file = requirements(folder, [wheel(folder, "greeting", "1.0")])
    assert {:ok, :made, python} = make(root, [file])
    assert {"hello 1.0\n", 0} = System.cmd(python, ["-c", "import greeting; print(greeting.text)"])
    assert Environment.interpreter(root) == python
    assert {:ok, :unchanged, ^python} = make(root, [file])
    assert entries(root) == ["current", environment(python)]

    # Workers run in it, with what it has and under its own prefix.
    pool = start_pool(python_path: python)

    assert Python.eval("import greeting, sys\n(greeting.text, sys.prefix != sys.base_prefix)", pool: pool) ==
             {:ok, {"hello 1.0", true}}
  end

  test "keeps the one before, for those who run in it, and none older", %{root: root, folder: folder} do
    [first, second, third] =
      for version <- ["1.0", "2.0", "3.0"] do
        {:ok, :made, python} = make(root, [requirements(folder, [wheel(folder, "greeting", version)])])

        assert System.cmd(python, ["-c", "import greeting; print(greeting.text)"]) ==
                 {"hello #{version}\n", 0}

        python
      end

    refute File.exists?(first)
    assert File.exists?(second)
    assert Environment.interpreter(root) == third
    assert entries(root) == Enum.sort(["current", environment(second), environment(third)])
  end

  test "leaves what was there when a package cannot be had", %{root: root, folder: folder} do
    good = requirements(folder, [wheel(folder, "greeting", "1.0")])
    {:ok, :made, python} = make(root, [good])
    bad = Path.join(folder, "bad.txt")
    File.write!(bad, "--no-index\nno-such-package-here==1.0\n")
    assert {:error, message} = make(root, [bad])
    assert message =~ "the packages could not be installed; nothing is left of it"
    assert message =~ "no-such-package-here"
    assert entries(root) == ["current", environment(python)]
    assert Environment.interpreter(root) == python
  end

  test "refuses a file that is not locked, by its line", %{root: root, folder: folder} do
    file = Path.join(folder, "open.txt")

    for line <- ["numpy", "numpy>=1.0", "numpy==1.*", "numpy[extra]", "numpy==1.0, >2"] do
      File.write!(file, "# comment\nother==1.0 \\\n    --hash=sha256:00\n" <> line <> "\n")
      assert {:error, message} = make(root, [file])
      assert message =~ "is not locked: #{line} names no version"
    end

    assert {:error, message} = make(root, [Path.join(folder, "nowhere.txt")])
    assert message =~ "nowhere.txt cannot be read: no such file or directory"
    refute File.exists?(root)
  end

  test "refuses an interpreter that is none, or too old", %{root: root, folder: folder} do
    assert {:error, message} = Environment.setup(root: root, python: "/nowhere/python")
    assert message =~ "does not exist"
    old = Path.join(folder, "old")
    File.write!(old, "#!/bin/sh\necho 3.8\n")
    File.chmod!(old, 0o755)
    assert {:error, message} = Environment.setup(root: root, python: old)
    assert message =~ "is Python 3.8; 3.9 or newer is needed"
    refute File.exists?(root)
  end

  test "says what is missing where venv is", %{root: root, folder: folder} do
    # As Debian's python3 is without python3-venv.
    bare = Path.join(folder, "bare")

    File.write!(bare, """
    #!/bin/sh
    [ "$1" = -c ] && exec #{System.find_executable(interpreter())} "$@"
    mkdir -p "$4/bin"
    printf '#!/bin/sh\\necho "$0: No module named $2" >&2\\nexit 1\\n' > "$4/bin/python"
    chmod +x "$4/bin/python"
    """)

    File.chmod!(bare, 0o755)

    unless System.find_executable("uv") do
      file = requirements(folder, [wheel(folder, "greeting", "1.0")])
      assert {:error, message} = Environment.setup(root: root, python: bare, requirements: [file])
      assert message =~ "apt-get install python3-venv"
      assert entries(root) == []
    end
  end

  test "removes what a killed setup has left, and not what another one makes", %{root: root, folder: folder} do
    for name <- ["env-dead", "env-busy"], do: File.mkdir_p!(Path.join(root, name))
    File.write!(Path.join(root, "env-dead.owner"), "#{System.pid()} 1")
    [_, started] = String.split(File.read!("/proc/#{System.pid()}/stat") |> owner_of(), " ")
    File.write!(Path.join(root, "env-busy.owner"), "#{System.pid()} #{started}")
    File.ln_s!("env-dead", Path.join(root, "current.env-dead"))
    {:ok, :made, python} = make(root, [requirements(folder, [wheel(folder, "greeting", "1.0")])])
    assert entries(root) == Enum.sort(["current", "env-busy", "env-busy.owner", environment(python)])
  end

  test "a setup that is killed half way leaves nothing in use, and the next one is whole", %{
    root: root,
    folder: folder
  } do
    # Installing waits until the test has killed the VM.
    slow = Path.join(folder, "slow")
    waits = Path.join(folder, "waits")

    File.write!(slow, """
    #!/bin/sh
    [ "$1" = -c ] && exec #{System.find_executable(interpreter())} "$@"
    mkdir -p "$4/bin" && echo $$ > #{waits}
    exec sleep 600
    """)

    File.chmod!(slow, 0o755)

    unless System.find_executable("uv") do
      paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
      code = "Pipeline.Python.Environment.setup(root: #{inspect(root)}, python: #{inspect(slow)})"

      port =
        Port.open({:spawn_executable, System.find_executable("elixir")}, [
          :binary,
          {:args, paths ++ ["-e", code]}
        ])

      {:os_pid, vm} = Port.info(port, :os_pid)
      sleeping = await_file(waits) |> String.trim()
      kill(vm)
      kill(sleeping)
      await_gone(vm)
      assert Environment.interpreter(root) == nil
      assert [_environment, _owner] = entries(root)
      {:ok, :made, python} = make(root, [requirements(folder, [wheel(folder, "greeting", "1.0")])])
      assert entries(root) == ["current", environment(python)]
    end
  end

  test "a full disk is an error, and nothing is left on it", %{folder: folder} do
    mount = Path.join(folder, "small")
    File.mkdir_p!(mount)

    # Needs root.
    case System.cmd("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", mount], stderr_to_stdout: true) do
      {_, 0} ->
        try do
          root = Path.join(mount, "python")
          assert {:error, message} = make(root, [requirements(folder, [wheel(folder, "greeting", "1.0")])])
          assert message =~ "No space left on device"
          assert entries(root) == []
        after
          System.cmd("umount", [mount])
        end

      {_, _} ->
        :ok
    end
  end

  test "the task prints where it is, and raises what is wrong", %{folder: folder} do
    # In a project of its own: the folder of the environment is that of its build.
    project = Path.join(folder, "host")
    File.mkdir_p!(Path.join(project, "priv/python"))

    File.write!(Path.join(project, "mix.exs"), """
    defmodule Host.MixProject do
      use Mix.Project
      def project, do: [app: :host, version: "0.1.0"]
    end
    """)

    wheel = wheel(folder, "greeting", "1.0")
    File.cp!(requirements(folder, [wheel]), Path.join(project, "priv/python/requirements.txt"))
    task = fn args -> mix(project, ["pipeline.python.setup" | args]) end
    assert {output, 0} = task.(["--python", interpreter()])
    assert output =~ "installing"
    assert output =~ ~r"made .*/_build/python/env-\w+/bin/python"
    assert {output, 0} = task.(["--python", interpreter()])
    assert output =~ "is up to date"
    assert {output, 1} = task.(["--python", "no-such-python"])
    assert output =~ "there is no program no-such-python in PATH"
    assert {output, 1} = task.(["now"])
    assert output =~ "takes no arguments"
  end

  defp mix(project, args) do
    # The task comes from the code path of this build, as from a dependency.
    libs = :python_bridge |> Application.app_dir() |> Path.dirname()

    env =
      [{"ERL_LIBS", libs}, {"MIX_ENV", "dev"}] ++
        for(name <- ~w(MIX_EXS MIX_BUILD_PATH MIX_BUILD_ROOT), do: {name, nil})

    System.cmd("mix", args, cd: project, stderr_to_stdout: true, env: env)
  end

  defp make(root, requirements),
    do: Environment.setup(root: root, python: interpreter(), requirements: requirements)

  defp entries(root), do: Enum.sort(File.ls!(root))

  defp environment(python), do: python |> Path.split() |> Enum.at(-3)

  defp owner_of(stat),
    do: "pid " <> (stat |> String.split(")") |> List.last() |> String.split() |> Enum.at(19))

  defp requirements(folder, wheels) do
    file = Path.join(folder, "requirements.txt")
    lines = for {name, version, hash} <- wheels, do: "#{name}==#{version} --hash=sha256:#{hash}\n"
    File.write!(file, ["--no-index\n--find-links #{folder}\n" | lines])
    file
  end

  # The smallest package that pip takes.
  defp wheel(folder, name, version) do
    info = "#{name}-#{version}.dist-info"
    metadata = "Metadata-Version: 2.1\nName: #{name}\nVersion: #{version}\n"
    kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

    files = [
      {"#{name}.py", "text = 'hello #{version}'\n"},
      {"#{info}/METADATA", metadata},
      {"#{info}/WHEEL", kind},
      {"#{info}/RECORD", "#{name}.py,,\n#{info}/METADATA,,\n#{info}/WHEEL,,\n#{info}/RECORD,,\n"}
    ]

    path = Path.join(folder, "#{name}-#{version}-py3-none-any.whl")
    entries = for {file, text} <- files, do: {String.to_charlist(file), text}
    {:ok, _} = :zip.create(String.to_charlist(path), entries)
    {name, version, Base.encode16(:crypto.hash(:sha256, File.read!(path)), case: :lower)}
  end
end
