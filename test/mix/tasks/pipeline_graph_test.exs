defmodule Mix.Tasks.Pipeline.GraphTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  @moduletag :tmp_dir

  @source """
  defmodule GraphTaskFixture.Outer do
    use Pipeline.Plugin, id: :graph_task_outer
    depends_on :graph_task_inner, version: "~> 1.0"
    hook :around, :graph_task_step do
      def graph_task_step(context, next), do: next.(context)
    end
  end

  defmodule GraphTaskFixture.Inner do
    use Pipeline.Plugin, id: :graph_task_inner, version: "1.1.0"
    hook :before, :graph_task_step, native: :put, config: %{field: :n, value: 1}, priority: 7
    def init(_), do: raise("it must not be started")
  end

  defmodule GraphTaskFixture.Lonely do
    use Pipeline.Plugin, id: :graph_task_lonely
    depends_on :graph_task_missing
    hook :before, :graph_task_step
  end
  """

  setup_all do
    {:ok, compiled: Pipeline.Elsewhere.compile!(@source)}
  end

  setup context do
    for path <- Path.wildcard(context.compiled <> "/*.beam"), do: File.cp!(path, copy(path, context))

    on_exit(fn ->
      for name <- ~w(Outer Inner Lonely),
          do: Pipeline.InstanceCase.remove(Module.concat(GraphTaskFixture, name))

      :code.del_path(String.to_charlist(context.tmp_dir))
    end)
  end

  defp copy(path, context), do: Path.join(context.tmp_dir, Path.basename(path))

  # What it prints, and what it warns of.
  defp run(args) do
    with_io(:stderr, fn -> capture_io(fn -> Mix.Tasks.Pipeline.Graph.run(["--no-compile" | args]) end) end)
  end

  test "shows the name of a file on one line, whatever is in it", context do
    File.write!(Path.join(context.tmp_dir, "a\n[error] forged \e[31m\u202E.beam"), "no module")
    {_output, warnings} = run(["--only", "dependencies", context.tmp_dir])
    assert warnings =~ "a\\n[error] forged \\x{1B}[31m\\x{202E}.beam: "
    refute warnings =~ ~r/^\[error\]/m
    refute String.replace(warnings, ~r/\e\[\d*m/, "") =~ "\e"
  end

  test "draws what plugins depend on and the chains of those that can be loaded", context do
    {output, warnings} = run([context.tmp_dir])

    assert output == """
           Plugins
             graph_task_inner 1.1.0
             graph_task_lonely 1.0.0
               needs graph_task_missing: not there
             graph_task_outer 1.0.0
               needs graph_task_inner ~> 1.0: graph_task_inner 1.1.0

           Hook chains
             graph_task_step
               1.  around  graph_task_outer  50  elixir
               2.  before  graph_task_inner  7   native Pipeline.Native put, call 1
           """

    assert warnings =~
             "graph_task_lonely 1.0.0 is left out of the chains: graph_task_lonely needs graph_task_missing"
  end

  test "leaves out what does not load, with what needs it, and draws the rest", context do
    compiled =
      Pipeline.Elsewhere.compile!("""
      defmodule GraphTaskFixture.Library do
        use Pipeline.Native.Library, otp_app: :pipeline_plugin, crate: :graph_task_never_built
      end

      defmodule GraphTaskFixture.Unbuilt do
        use Pipeline.Plugin, id: :graph_task_unbuilt
        hook :before, :graph_task_step, native: {GraphTaskFixture.Library, :any}
      end

      defmodule GraphTaskFixture.Leaning do
        use Pipeline.Plugin, id: :graph_task_leaning
        depends_on :graph_task_unbuilt
        hook :before, :graph_task_step do
          def graph_task_step(context, next), do: next.(context)
        end
      end
      """)

    for path <- Path.wildcard(compiled <> "/*.beam"), do: File.cp!(path, copy(path, context))

    on_exit(fn ->
      for name <- ~w(Library Unbuilt Leaning),
          do: Pipeline.InstanceCase.remove(Module.concat(GraphTaskFixture, name))
    end)

    {output, warnings} = run([context.tmp_dir, "--only", "chains", "--json"])
    assert {:ok, %{"chains" => [chain], "nodes" => []}} = Pipeline.JSON.decode(output)
    assert %{"point" => "graph_task_step", "mode" => "chain", "hooks" => [around, before]} = chain
    assert %{"kind" => "around", "plugin" => "graph_task_outer", "tier" => "elixir", "native" => nil} = around
    assert before["native"] == %{"library" => "Pipeline.Native", "name" => "put", "call" => 1}

    assert warnings =~ "graph_task_unbuilt 1.0.0 is left out of the chains: "
    assert warnings =~ "the native library graph_task_never_built is not built"

    assert warnings =~
             "graph_task_leaning 1.0.0 is left out of the chains: graph_task_leaning needs graph_task_unbuilt"
  end

  test "writes the graph as JSON", context do
    {output, _} = run([context.tmp_dir, "--only", "dependencies", "--json"])
    assert {:ok, %{"nodes" => nodes, "edges" => edges, "chains" => []}} = Pipeline.JSON.decode(output)
    assert %{"id" => "graph_task_missing", "version" => nil, "kind" => "missing_plugin"} in nodes
    outer = Enum.find_index(nodes, &(&1["id"] == "graph_task_outer"))
    assert %{"requirement" => "~> 1.0", "met" => true} = Enum.find(edges, &(&1["from"] == outer))
  end

  test "draws one part only; dependencies load no code", context do
    {output, warnings} = run([context.tmp_dir, "--only", "dependencies", "--format", "dot"])
    assert output =~ ~s(p2 -> p0 [label="~> 1.0"];)
    refute output =~ "cluster"
    refute warnings =~ "left out"
    refute String.to_charlist(context.tmp_dir) in :code.get_path()

    {output, _} = run([context.tmp_dir, "--only", "chains", "--format", "mermaid"])
    assert output =~ ~s(subgraph c0["graph_task_step"])
    refute output =~ "p0"
  end

  test "writes a file", context do
    path = Path.join(context.tmp_dir, "plugins.mmd")
    assert {output, _} = run([context.tmp_dir, "--format", "mermaid", "--output", path])
    assert output == "wrote #{path}\n"
    assert File.read!(path) =~ "flowchart LR\n"

    assert_raise Mix.Error, "cannot write #{context.tmp_dir}: illegal operation on a directory", fn ->
      run([context.tmp_dir, "--output", context.tmp_dir])
    end
  end

  test "draws SVG with Graphviz, or says what to install", context do
    path = Path.join(context.tmp_dir, "plugins.svg")
    draw = fn -> run([context.tmp_dir, "--format", "svg", "--output", path]) end

    if System.find_executable("dot") do
      draw.()
      assert File.read!(path) =~ "<svg"
    else
      assert_raise Mix.Error, ~r/SVG needs the program dot.*apt install graphviz/, draw
      refute File.exists?(path)
    end
  end

  test "warns of files that are no plugins", context do
    File.write!(Path.join(context.tmp_dir, "text.beam"), "no module")
    {_, warnings} = run([context.tmp_dir, "--only", "dependencies"])
    assert warnings =~ "no plugin in #{context.tmp_dir}/text.beam: the file is no BEAM file"
  end

  test "refuses what it does not know", context do
    for {args, message} <- [
          {["--format", "png"], "--format is one of text, mermaid, dot, svg, json, got: png"},
          {["--only", "hooks"], "--only is one of dependencies, chains, got: hooks"}
        ] do
      assert_raise Mix.Error, message, fn -> run([context.tmp_dir | args]) end
    end
  end
end
