defmodule Mix.Tasks.Pipeline.Gen.HostTest do
  use ExUnit.Case, async: true

  alias Mix.Pipeline.Children
  alias Mix.Tasks.Pipeline.Gen.Host
  alias Pipeline.ScratchProject

  @moduletag timeout: 900_000

  # The library is compiled once.
  setup_all do
    {:ok, build: [{"MIX_BUILD_PATH", ScratchProject.dir!()}]}
  end

  @deps ~r/defp deps do.*?\n  end/s

  defp new!(name, args) do
    project = ScratchProject.new!(name, args)

    dependency =
      "defp deps do\n    [\n      {:pipeline_plugin, path: #{inspect(ScratchProject.checkout())}}\n    ]\n  end"

    ScratchProject.replace!(project, "mix.exs", @deps, dependency)
    ScratchProject.replace!(project, ".formatter.exs", "[\n", "[\n  import_deps: [:pipeline_plugin],\n")
    project
  end

  test "an application without a supervision tree gets one", %{build: build} do
    project = new!("bare", [])
    output = ok!(project, ["pipeline.gen.host", "--point", "admit", "--point", "deliver"], build)
    assert output =~ "mix pipeline.gen.plugin my_plugin --hooks Bare.Hooks --point admit"
    assert read(project, "mix.exs") =~ "mod: {Bare.Application, []}"
    assert_whole(project, build)
  end

  test "an application with a supervision tree gets an instance before its endpoint", %{build: build} do
    project = new!("web", ["--sup"])

    ScratchProject.write!(project, "lib/web/parts.ex", """
    defmodule Web.Repo do
      use Agent
      def start_link(_), do: Agent.start_link(fn -> :ok end)
    end

    defmodule Web.Endpoint do
      use Agent
      # It uses plugins from its start on.
      def start_link(_), do: Agent.start_link(fn -> {:ok, 1} = Pipeline.Hook.run(Web.Plugins, :handle, %{input: 1}, & &1.input) end)
    end
    """)

    ScratchProject.replace!(
      project,
      "lib/web/application.ex",
      ~r/children = \[.*?\]/s,
      "children = [\n      Web.Repo,\n      # The last one.\n      {Web.Endpoint, []}\n    ]"
    )

    ok!(project, ["format"], build)
    ok!(project, ["pipeline.gen.host"], build)

    assert read(project, "lib/web/application.ex") =~
             ~r/Web\.Repo,\n.*# The last one\.\n.*Manager.*\{Web\.Endpoint, \[\]\}/s

    assert_whole(project, build)

    # It is added once.
    ok!(project, ["pipeline.gen.host", "--force"], build)
    assert length(String.split(read(project, "lib/web/application.ex"), "Pipeline.Plugin.Manager")) == 2

    # What cannot be changed is left as it is.
    {output, 1} = ScratchProject.mix(project, ["pipeline.gen.host"], build)
    assert output =~ "these files exist, nothing is written: lib/web/hooks.ex, test/web/hooks_test.exs"

    ScratchProject.write!(project, "lib/web/application.ex", """
    defmodule Web.Application do
      use Application
      def start(_type, _args), do: Supervisor.start_link([], strategy: :one_for_one)
    end
    """)

    before = read(project, "lib/web/hooks.ex")
    {output, 1} = ScratchProject.mix(project, ["pipeline.gen.host", "--point", "other", "--force"], build)
    assert output =~ "there is no list children = [...] in lib/web/application.ex, nothing is written"
    assert output =~ "{Pipeline.Plugin.Manager, Application.get_env(:web, Web.Plugins, [])"
    assert read(project, "lib/web/hooks.ex") == before
  end

  test "what it refuses" do
    assert message(["hooks"]) == "mix pipeline.gen.host takes options only, got: hooks"
    assert message(["--point", "Big Point"]) == "a hook point is in snake case, such as admit, got: Big Point"
    assert message(["--point"]) == "--point needs a value. Write: mix pipeline.gen.host [--point NAME]"
    assert message(["--pont", "x"]) =~ "unknown option --pont. Did you mean \"--point\"?"
  end

  describe "a child is added" do
    test "to an empty list, before others, and before an endpoint with or without arguments" do
      assert children("children = []") == "children = [Manager]"
      assert children("children = [\n  # none yet\n]") == "children = [\n  Manager\n\n  # none yet\n]"
      assert children("children = [A, {B, []}]") == "children = [Manager, A, {B, []}]"
      assert children("children = [A, AWeb.Endpoint, C]") == "children = [A, Manager, AWeb.Endpoint, C]"

      assert children("children = [A, {AWeb.Endpoint, x: 1}]") ==
               "children = [A, Manager, {AWeb.Endpoint, x: 1}]"

      assert children("x = \"ä\"; children = [{A, \"ä\"}, B.Endpoint]") =~ "{A, \"ä\"}, Manager, B.Endpoint"
    end

    test "to no other source" do
      assert Children.add("children = others()", "Manager") == :error
      assert Children.add("children = [", "Manager") == :error
      assert Children.add_mod("def application, do: other()", "mod: M") == :error
    end
  end

  defp children(source) do
    {:ok, changed} = Children.add(source, "Manager")
    changed |> String.replace("Manager,\n", "Manager, ") |> Code.format_string!() |> IO.iodata_to_binary()
  end

  defp message(args), do: assert_raise(Mix.Error, fn -> Host.run(args) end).message

  defp assert_whole(project, build) do
    output = ok!(project, ["test", "--warnings-as-errors"], build)
    refute output =~ "warning:"
    assert output =~ ", 0 failures"
    ok!(project, ["format", "--check-formatted"], build)
  end

  defp read(project, file), do: File.read!(Path.join(project, file))

  defp ok!(project, args, build) do
    {output, status} = ScratchProject.mix(project, args, build)
    assert status == 0, output
    output
  end
end
