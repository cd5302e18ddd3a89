defmodule Mix.Tasks.Pipeline.Gen.PluginTest do
  use ExUnit.Case, async: true

  alias Mix.Tasks.Pipeline.Gen.Plugin
  alias Pipeline.ScratchProject

  defmodule Points do
    use Pipeline.Hook.Spec

    hookpoint :admit, kinds: [:before, :after], context: [:input]
    hookpoint :colours, mode: :collect
  end

  defmodule One do
    use Pipeline.Hook.Spec
    hookpoint :wrap, kinds: [:around]
  end

  defmodule None do
    use Pipeline.Hook.Spec
  end

  @moduletag timeout: 900_000

  @spec_of_host """
  defmodule Host.Hooks do
    use Pipeline.Hook.Spec

    hookpoint :admit, context: [:text], fail: :closed
    hookpoint :end, required: true

    hookpoint :checked,
      context: [text: [type: :string, required: true]],
      result: [text: [type: :string]]

    hookpoint :number, context: :integer
    hookpoint :"odd name", kinds: [:replace, :around]
    hookpoint :first, mode: :first
    hookpoint :colours, mode: :collect, tagged: true
    hookpoint :told, mode: :notify
    hookpoint :asked, mode: :collect, context: [text: [type: :string]]
  end
  """

  # The library is compiled once, and each test has a copy of the project.
  setup_all do
    project = ScratchProject.new!("host")

    dependency = "defp deps do\n    [{:pipeline_plugin, path: #{inspect(ScratchProject.checkout())}}]\n  end"

    ScratchProject.replace!(project, "mix.exs", ~r/defp deps do.*?\n  end/s, dependency)
    ScratchProject.replace!(project, ".formatter.exs", "[\n", "[\n  import_deps: [:pipeline_plugin],\n")
    ok!(project, ["compile"])
    ScratchProject.write!(project, "lib/host/hooks.ex", @spec_of_host)
    {:ok, compiled: project}
  end

  describe "in a new project with this package as a dependency" do
    setup %{compiled: compiled} do
      project = Path.join(ScratchProject.dir!(), "host")
      File.cp_r!(compiled, project)
      {:ok, project: project}
    end

    test "plugins in the host compile, are formatted and pass their tests untouched", %{project: project} do
      for {point, kinds} <- [
            {"admit", ["before", "after", "around", "replace"]},
            {"end", ["before"]},
            {"checked", ["before", "after"]},
            {"number", ["before"]},
            {"odd name", ["around"]},
            {"first", ["listen"]},
            {"colours", ["listen"]},
            {"told", ["listen"]},
            {"asked", ["listen"]}
          ],
          kind <- kinds do
        name = String.replace("#{kind}_#{point}", " ", "_")
        in_host!(project, [name, "--hooks", "Host.Hooks", "--point", point, "--kind", kind])
      end

      in_host!(project, ["my_model", "--type", "provider", "--capability", "tasks", "--capability", "text"])
      in_host!(project, ["trimmer", "--type", "handler", "--capability", "node_types", "--config"])
      in_host!(project, ["completeness", "--type", "validator", "--config"])
      in_host!(project, ["Greeter", "--capability", "text", "--config", "--children"])

      # What it prints for mix.exs is what mix.exs needs, for the first crate and for another.
      output = in_host!(project, ["squeezer", "--native", "--hooks", "Host.Hooks", "--point", "checked"])
      ScratchProject.replace!(project, "mix.exs", "app: :host,\n", "app: :host,\n#{for_mix(output)}\n")
      output = in_host!(project, ["Reader", "--type", "handler", "--native"])
      assert "# into the list pipeline_native:\n" <> entry = String.trim(for_mix(output))

      ScratchProject.replace!(
        project,
        "mix.exs",
        "pipeline_native: [",
        "pipeline_native: [#{String.trim(entry)}, "
      )

      output = ok!(project, ["compile", "--warnings-as-errors"])
      assert output =~ "Building native library squeezer_hooks"
      assert output =~ "Building native library reader_hooks"
      refute output =~ "warning"

      output = ok!(project, ["test", "--warnings-as-errors", "--trace"])

      for test <- [
            "provides the model",
            "executes its nodes",
            "lets a complete node pass and refuses another",
            "takes part in a run",
            "has its capabilities",
            "has a worker",
            "refuses a setting that it does not know",
            "squeezes a text, in Rust",
            "has a hook in Rust"
          ] do
        assert output =~ test
      end

      # mix.exs is the test's own work.
      ok!(project, ["format", "--check-formatted", "lib/**/*.ex", "test/**/*.exs"])
    end

    test "packages of their own pass their tests untouched, are built, and run in the host", %{
      project: project
    } do
      ok!(project, ["pipeline.gen.host", "--point", "admit", "--force"])

      ok!(project, [
        "pipeline.gen.plugin",
        "greeter",
        "--config",
        "--children",
        "--native" | ~w(--capability text --hooks Host.Hooks --point admit --kind before)
      ])

      ok!(project, ["pipeline.gen.plugin", "MyModel", "--path", "../my_model", "--type", "provider"])

      folder = Path.join(project, "packages")
      File.mkdir!(folder)

      for {path, package} <- [{"greeter", "greeter"}, {"../my_model", "my_model"}] do
        package_project = Path.join(project, path)
        # The library and the host are built once.
        build = [{"MIX_BUILD_PATH", Path.join(project, "_build/test")}]
        output = ok!(package_project, ["test", "--warnings-as-errors"], build)
        refute output =~ "warning:"
        assert output =~ ", 0 failures"
        ok!(package_project, ["format", "--check-formatted"], build)
        ok!(package_project, ["pipeline.package"], build)
        archive = Path.join(package_project, "#{package}-0.1.0.plugin.tar.gz")
        assert ok!(project, ["pipeline.package", "--verify", archive]) =~ "#{package} 0.1.0 is whole"
        ok!(project, ["pipeline.install", archive, "--packages", folder])
      end

      # The host's own modules are not in the package.
      refute ok!(project, ["pipeline.info", "greeter", "--packages", folder]) =~ "Host"

      # The path of the VM has no code of the plugins.
      run = """
      {:ok, instance} = Pipeline.Plugin.Manager.start_link(name: :scratch, hooks: Host.Hooks, packages: #{inspect(folder)}, plugins: ["greeter", "my_model"])
      {:ok, %{greeter: true, input: "so it goes"}} = Pipeline.Hook.run(:scratch, :admit, %{input: "so  it goes"}, nil)
      {:ok, %{text: "hi"}} = Pipeline.Provider.generate(%{task: :echo, input: "hi"}, instance: :scratch)
      IO.puts("runs in the host")
      Supervisor.stop(instance)
      """

      assert ok!(project, ["run", "-e", run]) =~ "runs in the host"
    end

    test "nothing is overwritten unless it is told to", %{project: project} do
      test_file = "test/host/plugins/greeter_test.exs"
      ScratchProject.write!(project, test_file, "# mine\n")

      {output, status} = mix(project, ["pipeline.gen.plugin", "greeter", "--in-host"])
      assert status == 1

      assert output =~
               "these files exist, nothing is written: #{test_file}. Choose another name, or overwrite"

      assert File.read!(Path.join(project, test_file)) == "# mine\n"
      refute File.exists?(Path.join(project, "lib/host/plugins/greeter.ex"))

      in_host!(project, ["greeter", "--force"])
      assert File.read!(Path.join(project, test_file)) =~ "defmodule Host.Plugins.GreeterTest do"
      assert File.read!(Path.join(project, "lib/host/plugins/greeter.ex")) =~ "id: :greeter"

      ScratchProject.write!(project, "shouter", "a file\n")
      {output, status} = mix(project, ["pipeline.gen.plugin", "shouter"])
      assert status == 1
      assert output =~ "shouter is a file and no folder, nothing is written"

      {output, status} = mix(project, ["pipeline.gen.plugin", "host"])
      assert status == 1
      assert output =~ "there is an application host already"
      refute File.exists?(Path.join(project, "host"))
    end
  end

  test "an umbrella is refused" do
    umbrella = ScratchProject.new!("umbrella", ["--umbrella"])
    libraries = Path.join(Mix.Project.build_path(), "lib")

    {output, status} = mix(umbrella, ["pipeline.gen.plugin", "greeter"], [{"ERL_LIBS", libraries}])

    assert status == 1
    assert output =~ "cd into one under apps/"
  end

  describe "what it refuses" do
    test "no name, and more than one" do
      assert message([]) ==
               "a plugin needs a name: mix pipeline.gen.plugin NAME [--in-host] " <>
                 "[--hooks SPEC --point POINT --kind KIND]"

      assert message(["one", "two", "--type", "handler"]) =~ "one plugin at a time, got: one two."
    end

    test "names that make no module, with the one that was meant" do
      assert message(["my-plugin", "--type", "handler"]) ==
               "the name of a plugin is in snake or camel case, such as my_plugin or MyPlugin, got: my-plugin. " <>
                 "Did you mean my_plugin?"

      assert message(["My.Plugin", "--type", "handler"]) =~ "got: My.Plugin. Did you mean my_plugin?"
      assert message(["my__plugin", "--type", "handler"]) =~ "Did you mean my_plugin?"
      assert message(["../escape", "--type", "handler"]) =~ "got: ../escape. Did you mean escape?"
      assert message(["9lives", "--type", "handler"]) =~ ~r/got: 9lives\.$/
      assert message(["a\nb", "--type", "handler"]) =~ "snake or camel case"
      assert message(["nil", "--type", "handler"]) == "nil cannot be the name of a plugin: choose another"
      assert message(["Nil", "--type", "handler"]) =~ "got: Nil."
    end

    test "a name that an application or a module has" do
      assert message(["logger"]) ==
               "there is an application logger already, so it cannot be the name of a package: choose another"

      assert message(["String"]) ==
               "there is a module String already, so string cannot be the name of a package: choose another"

      assert message(["pipeline_plugin"]) =~ "there is an application pipeline_plugin already"
    end

    test "a spec that is none, a point or a kind that it does not have" do
      spec = inspect(Points)

      assert message(["greeter", "--hooks", "my.hooks"]) =~
               "--hooks names a module, such as MyApp.Hooks, got: my.hooks"

      assert message(["greeter", "--hooks", "No.Such.Hooks"]) =~ "the module No.Such.Hooks is not there."
      assert message(["greeter", "--hooks", "String"]) =~ "String declares no hook points: it does not use"
      assert message(["greeter", "--hooks", inspect(None)]) =~ "declares no hook points yet"

      assert message(["greeter", "--hooks", spec]) ==
               "#{spec} has several hook points: name one with --point. Declared: admit, colours"

      assert message(["greeter", "--hooks", spec, "--point", "admitt"]) ==
               "#{spec} does not declare the hook point admitt. Did you mean \"admit\"? Declared: admit, colours"

      assert message(["greeter", "--hooks", spec, "--point", "admit", "--kind", "befor"]) ==
               "the hook point admit of #{spec} takes no hooks of the kind befor. Did you mean \"before\"? " <>
                 "Known: after, before"

      assert message(["greeter", "--point", "Big Point"]) =~ "a hook point is in snake case"
      assert message(["greeter", "--kind", "listen"]) =~ "takes no hooks of the kind listen."

      assert message(["greeter", "--hooks", inspect(One), "--native"]) =~
               "and the hook on wrap is of the kind around"
    end

    test "options that exclude each other" do
      assert message(["greeter", "--project", "--in-host"]) =~ "--project and --in-host exclude each other"
      assert message(["greeter", "--in-host", "--path", "x"]) =~ "--path is the folder of a package"

      assert message(["greeter", "--type", "handler", "--point", "x"]) =~
               "a handler has no hook, so it takes no --point"
    end

    test "a type that there is not" do
      assert message(["greeter", "--type", "provder"]) ==
               "unknown type provder. Did you mean \"provider\"? Known: provider, handler, validator, extension"
    end

    test "options that there are not" do
      assert message(["greeter", "--type", "handler", "--capabilty", "x"]) ==
               "unknown option --capabilty. Did you mean \"--capability\"? " <>
                 "Known: --project, --path, --in-host, --hooks, --point, --kind, --config, --children, --native, " <>
                 "--capability, --type, --force"

      assert message(["greeter", "--type"]) =~ "--type needs a value."

      assert message(["greeter", "--type", "handler", "--native=maybe"]) =~
               "--native takes no value, got: maybe"
    end

    test "capabilities that make no name" do
      assert message(["greeter", "--type", "handler", "--capability", "Big Thing"]) ==
               "a capability is in snake case, such as text_generation, got: Big Thing"

      assert message(["greeter", "--type", "handler", "--capability", "nil"]) =~ "got: nil"
    end
  end

  # It raises before anything is written.
  defp message(args), do: assert_raise(Mix.Error, fn -> Plugin.run(args) end).message

  defp for_mix(output) do
    [_, printed] = Regex.run(~r/under project\/0 of mix.exs:\n\n(.*?)\n\n/s, output)
    printed
  end

  defp in_host!(project, args), do: ok!(project, ["pipeline.gen.plugin", "--in-host" | args])

  defp ok!(project, args, env \\ []) do
    {output, status} = mix(project, args, env)
    assert status == 0, output
    output
  end

  defp mix(project, args, env \\ []), do: ScratchProject.mix(project, args, env)
end
