defmodule Mix.Tasks.Pipeline.Gen.PluginTest do
  use ExUnit.Case, async: true

  alias Mix.Tasks.Pipeline.Gen.Plugin
  alias Pipeline.ScratchProject

  @moduletag timeout: 900_000

  describe "in a new project with this package as a dependency" do
    setup do
      project = ScratchProject.new!("host")

      dependency =
        "defp deps do\n    [{:pipeline_plugin, path: #{inspect(ScratchProject.checkout())}}]\n  end"

      ScratchProject.replace!(project, "mix.exs", ~r/defp deps do.*?\n  end/s, dependency)
      ScratchProject.replace!(project, ".formatter.exs", "[\n", "[\n  import_deps: [:pipeline_plugin],\n")
      {:ok, project: project}
    end

    test "plugins of all types, also with native hooks, compile and pass their tests untouched", %{
      project: project
    } do
      for {name, type, again} <- [
            {"my_model", "provider", ["--capability", "tasks", "--capability", "provider"]},
            {"trimmer", "handler", ["--capability", "node_types"]},
            {"completeness", "validator", []},
            {"Greeter", "extension", ["--capability", "text"]}
          ] do
        # What the type has by itself, or is given twice, is declared once.
        generate!(project, [
          name,
          "--type",
          type,
          "--capability",
          "text",
          "--capability",
          "good_#{type}" | again
        ])
      end

      output = generate!(project, ["squeezer", "--type", "extension", "--native"])

      # What it prints for mix.exs is what mix.exs needs, for the first crate and for another.
      ScratchProject.replace!(project, "mix.exs", "app: :host,\n", "app: :host,\n#{for_mix(output)}\n")
      output = generate!(project, ["Reader", "--type", "handler", "--native"])
      assert "# into the list pipeline_native:\n" <> entry = String.trim(for_mix(output))

      ScratchProject.replace!(
        project,
        "mix.exs",
        "pipeline_native: [",
        "pipeline_native: [#{String.trim(entry)}, "
      )

      {output, status} = mix(project, ["compile", "--warnings-as-errors"])
      assert status == 0, output
      assert output =~ "Building native library squeezer_hooks"
      assert output =~ "Building native library reader_hooks"
      refute output =~ "warning"

      {output, status} = mix(project, ["test", "--warnings-as-errors", "--trace"])
      assert status == 0, output

      for test <- [
            "provides the model",
            "executes its nodes",
            "lets a complete node pass and refuses another",
            "takes part in the execution of a node",
            "has its capabilities",
            "squeezes the input of a node, in Rust"
          ] do
        assert output =~ test
      end

      # mix.exs is the test's own work.
      {output, status} = mix(project, ["format", "--check-formatted", "lib/**/*.ex", "test/**/*.exs"])
      assert status == 0, output
    end

    test "nothing is overwritten unless it is told to", %{project: project} do
      test_file = "test/host/plugins/greeter_test.exs"
      ScratchProject.write!(project, test_file, "# mine\n")

      {output, status} = mix(project, ["pipeline.gen.plugin", "greeter", "--type", "extension"])
      assert status == 1

      assert output =~
               "these files exist, nothing is written: #{test_file}. Choose another name, or overwrite"

      assert File.read!(Path.join(project, test_file)) == "# mine\n"
      refute File.exists?(Path.join(project, "lib/host/plugins/greeter.ex"))

      generate!(project, ["greeter", "--type", "extension", "--force"])
      assert File.read!(Path.join(project, test_file)) =~ "defmodule Host.Plugins.GreeterTest do"
      assert File.read!(Path.join(project, "lib/host/plugins/greeter.ex")) =~ "id: :greeter"
    end
  end

  test "an umbrella is refused" do
    umbrella = ScratchProject.new!("umbrella", ["--umbrella"])
    libraries = Path.join(Mix.Project.build_path(), "lib")

    {output, status} =
      mix(umbrella, ["pipeline.gen.plugin", "greeter", "--type", "extension"], [{"ERL_LIBS", libraries}])

    assert status == 1
    assert output =~ "cd into one under apps/"
  end

  describe "what it refuses" do
    test "no name, and more than one" do
      assert message([]) ==
               "a plugin needs a name: mix pipeline.gen.plugin NAME --type provider|handler|validator|extension"

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

    test "no type, and one that there is not" do
      assert message(["greeter"]) =~ "a plugin needs a type: mix pipeline.gen.plugin NAME --type provider|"

      assert message(["greeter", "--type", "provder"]) ==
               "unknown type provder. Did you mean \"provider\"? Known: provider, handler, validator, extension"
    end

    test "options that there are not" do
      assert message(["greeter", "--type", "handler", "--capabilty", "x"]) ==
               "unknown option --capabilty. Did you mean \"--capability\"? " <>
                 "Known: --type, --capability, --native, --force"

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

  defp generate!(project, args) do
    {output, status} = mix(project, ["pipeline.gen.plugin" | args])
    assert status == 0, output
    output
  end

  defp mix(project, args, env \\ []), do: ScratchProject.mix(project, args, env)
end
