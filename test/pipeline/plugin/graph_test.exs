defmodule Pipeline.Plugin.GraphTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.Graph
  alias Pipeline.Plugin.Graph.RenderError

  doctest Pipeline.Plugin.Graph

  defp manifest(id, opts \\ []) do
    %{
      id: id,
      version: opts[:version] || "1.0.0",
      capabilities: opts[:capabilities] || [],
      dependencies: opts[:needs] || []
    }
  end

  defp render(graph, format) do
    {:ok, drawing} = Graph.render(graph, format)
    drawing
  end

  # Every sort of edge there is.
  defp everything do
    Graph.new([
      manifest(:app,
        needs: [
          {:cache, version: "~> 1.0"},
          {{:capability, :llm}, []},
          {{:capability, :disk}, []},
          {:search, optional: true},
          {"site", version: "~> 2.0"}
        ]
      ),
      manifest(:cache, version: "1.4.0"),
      manifest(:cache, version: "1.10.0"),
      manifest(:cache, version: "2.0.0"),
      manifest(:gpt, capabilities: [llm: [], llm: :twice]),
      manifest({:unknown_atom, "Elixir.Local"}, capabilities: [llm: []]),
      manifest("site", needs: [{:search, version: "~> 0.1"}])
    ])
  end

  test "finds what each dependency leads to" do
    graph = everything()

    assert Enum.drop(graph.nodes, 7) == [
             %{id: :disk, version: nil, kind: :missing_capability},
             %{id: :search, version: nil, kind: :missing_plugin}
           ]

    assert for(edge <- graph.edges, do: {edge.from, edge.to, edge.met}) == [
             # the newest version that matches
             {0, 2, true},
             # every provider, each once
             {0, 4, true},
             {0, 5, true},
             {0, 7, false},
             {0, 8, false},
             # there, and not as wanted
             {0, 6, false},
             # the same missing plugin
             {6, 8, false}
           ]
  end

  test "draws text" do
    assert render(everything(), :text) == """
           Plugins
             app 1.0.0
               needs cache ~> 1.0: cache 1.10.0
               needs capability llm: gpt 1.0.0, Local 1.0.0
               needs capability disk: not there
               may use search: not there
               needs "site" ~> 2.0: "site" 1.0.0, which does not match
             cache 1.4.0
             cache 1.10.0
             cache 2.0.0
             gpt 1.0.0
             Local 1.0.0
             "site" 1.0.0
               needs search ~> 0.1: not there
           """

    assert render(Graph.new([]), :text) == ""
  end

  test "draws Mermaid" do
    assert render(everything(), :mermaid) == """
           flowchart LR
             p0["app 1.0.0"]
             p1["cache 1.4.0"]
             p2["cache 1.10.0"]
             p3["cache 2.0.0"]
             p4["gpt 1.0.0"]
             p5["Local 1.0.0"]
             p6["#34;site#34; 1.0.0"]
             p7(["capability disk, not there"]):::missing
             p8(["search, not there"]):::missing
             p0 -->|"~#62; 1.0"| p2
             p0 -->|"capability llm"| p4
             p0 -->|"capability llm"| p5
             p0 -->|"capability disk"| p7
             p0 -.->|"optional"| p8
             p0 -->|"~#62; 2.0"| p6
             p6 -->|"~#62; 0.1"| p8
             classDef missing stroke-dasharray: 5 5,stroke:#c00,color:#c00
           """
  end

  test "draws DOT" do
    dot = render(everything(), :dot)
    assert dot =~ ~S(p6 [label="\"site\" 1.0.0"];)
    assert dot =~ ~S(p0 -> p2 [label="~> 1.0"];)
    assert dot =~ ~S(p0 -> p8 [label="optional", style=dashed];)
    assert dot =~ ~S(p0 -> p6 [label="~> 2.0", color=red];)
    assert dot =~ ~S(p8 [label="search, not there", style=dashed, color=red, fontcolor=red];)
    assert_balanced(dot)
  end

  # Names from files can hold anything.
  @hostile [
    ~S(quote " here),
    "back\\slash\\",
    "line\nbreak",
    "`markdown`",
    ~S(<script>&amp;</script>),
    ~S(a"]; b --> c),
    ~S(#35;),
    "\e[31mred",
    "right\u202Eto left",
    "größe 日本",
    ~S(\N \l)
  ]

  defp hostile do
    Graph.new(for name <- @hostile, id <- [name, {:unknown_atom, name}], do: manifest(id))
  end

  test "lets no name out of its quotes" do
    graph = hostile()

    for format <- [:text, :mermaid, :dot] do
      drawing = render(graph, format)
      refute drawing =~ "\e"
      refute drawing =~ "\u202E"
      assert drawing =~ "größe 日本"
      # A line of its own for each, and no more than that.
      assert length(String.split(drawing, "\n", trim: true)) ==
               2 * length(@hostile) + %{text: 1, mermaid: 2, dot: 5}[format]
    end

    mermaid = render(graph, :mermaid)

    for "  p" <> line <- String.split(mermaid, "\n") do
      assert [_, label] = Regex.run(~r/^\d+\["([^"]*)"\]$/u, line)
      refute Regex.replace(~r/#\d+;/, label, "") =~ ~r/[#;<>&`\\]/
    end

    assert_balanced(render(graph, :dot))
    assert render(graph, :dot) =~ ~S(label="\\N \\l 1.0.0")
  end

  test "lets no name of a dependency, a hook point or a hook out of its quotes" do
    for name <- @hostile do
      atom = String.to_atom(name)
      needs = [{name, []}, {{:unknown_atom, name}, optional: true}, {{:capability, atom}, []}]
      hook = %{kind: :before, plugin: name, priority: 50, native: {atom, atom}, tier: :native}
      chain = %{point: atom, mode: :chain, hooks: [hook, %{hook | kind: :after, plugin: atom}]}
      graph = Graph.new([manifest(:app, needs: needs)], chains: [chain])

      for {format, lines} <- [text: 9, mermaid: 16, dot: 20] do
        drawing = render(graph, format)
        refute drawing =~ ~r/[\e\x{202E}]/u
        assert {name, format, length(String.split(drawing, "\n", trim: true))} == {name, format, lines}
      end

      assert_balanced(render(graph, :dot))

      for line <- graph |> render(:mermaid) |> String.split("\n"),
          [_, label] <- Regex.scan(~r/"(.*)"/, line) do
        refute Regex.replace(~r/#\d+;/, label, "") =~ ~r/["#;<>&`\\]/
      end
    end
  end

  # Read as Graphviz reads it: within quotes a backslash takes the next character along.
  defp assert_balanced(dot) do
    outside = Regex.replace(~r/"(?:[^"\\]|\\.)*"/su, dot, "_")
    refute outside =~ ~S(")
    assert outside =~ ~r/\A[\w\s{}\[\]=,;>-]*\z/
  end

  describe "chains" do
    defp plugins do
      first =
        plugin id: :first do
          hook :around, :step, priority: 90, fun: :wrap do
            def wrap(context, next), do: next.(context)
          end

          hook :after, :step, fun: :finish do
            def finish(context, next), do: next.(context)
          end

          hook :before, :step, native: :put, config: %{field: :n, value: 1}
          hook :before, :step, native: :put, config: %{field: :m, value: 2}
        end

      second =
        plugin id: :second do
          depends_on(:first)
          hook(:before, :step, before: :first)

          def init(_), do: raise("nothing is started")
        end

      [second, first]
    end

    test "are put in order without starting anything" do
      assert {:ok, [%{point: :step, mode: :chain, hooks: hooks}]} = Graph.chains(plugins())

      assert for(hook <- hooks, do: {hook.kind, hook.plugin, hook.tier, hook[:segment]}) == [
               {:around, :first, :elixir, nil},
               {:before, :second, :elixir, nil},
               {:before, :first, :native, 1},
               {:before, :first, :native, 1},
               {:after, :first, :elixir, nil}
             ]
    end

    test "are refused with the error that loading gives" do
      [second, _first] = plugins()

      assert {:error, %Error{step: :resolve, reason: {:missing_dependencies, _}}} = Graph.chains([second])
      assert {:error, %Error{step: :validate, reason: :not_a_plugin}} = Graph.chains([Enum])
    end

    test "of a running instance are those that run", %{instance: instance} do
      [_second, first] = plugins()
      {:ok, _} = Manager.load_plugin(first, %{}, instance: instance)
      graph = Graph.of_instance(instance: instance)
      assert [%{id: :first, version: "1.0.0", kind: :plugin}] = graph.nodes
      assert [%{point: :step, hooks: hooks}] = graph.chains
      assert hooks == Hook.chain(:step, instance: instance)

      assert render(graph, :text) == """
             Plugins
               first 1.0.0

             Hook chains
               step
                 1.  around  first  90  elixir
                 2.  before  first  50  native Pipeline.Native put, call 1
                 3.  before  first  50  native Pipeline.Native put, call 1
                 4.  after   first  50  elixir
             """

      assert render(graph, :mermaid) =~ """
               subgraph c0["step"]
                 c0h0["around first 90"]
                 c0h1["before first 50 native put"]
                 c0h2["before first 50 native put"]
                 c0h3["core"]
                 c0h4["after first 50"]
                 c0h0 --> c0h1
                 c0h1 --> c0h2
                 c0h2 --> c0h3
                 c0h3 --> c0h4
               end
             """

      assert_balanced(render(graph, :dot))
    end
  end

  test "says what to install where Graphviz is missing" do
    assert {:error, %RenderError{} = error} = Graph.render(everything(), :svg, graphviz: "no-such-program")

    assert Exception.message(error) ==
             "SVG needs the program no-such-program, which is not in the PATH: install Graphviz (apt install " <>
               "graphviz), or take the format mermaid or dot"
  end

  @tag :tmp_dir
  test "says what Graphviz said when it fails", %{tmp_dir: tmp_dir} do
    program = Path.join(tmp_dir, "dot")
    File.write!(program, "#!/bin/sh\necho no fonts; exit 3\n")
    File.chmod!(program, 0o755)
    assert {:error, %RenderError{} = error} = Graph.render(everything(), :svg, graphviz: program)
    assert error.reason == {:graphviz_failed, 3, "no fonts\n"}
    assert Exception.message(error) =~ "Graphviz failed with status 3: no fonts;"
  end

  # Where it is not installed, only the two tests above can say something.
  if System.find_executable("dot") do
    test "draws SVG" do
      assert {:ok, svg} = Graph.render(everything(), :svg)
      assert svg =~ "<svg"
      assert svg =~ "&quot;site&quot; 1.0.0"
      assert svg =~ "~&gt; 1.0"

      assert {:ok, svg} = Graph.render(hostile(), :svg)
      assert svg =~ "back\\slash\\ 1.0.0"
      assert svg =~ "&lt;script&gt;&amp;amp;&lt;/script&gt; 1.0.0"
    end
  end

  test "refuses unknown formats and options" do
    assert_raise ArgumentError, "a graph can be drawn as :text, :mermaid, :dot, :svg, :json, got: :png", fn ->
      Graph.render(everything(), :png)
    end

    assert_raise ArgumentError, ~r/unknown option :chain of/, fn -> Graph.new([], chain: []) end
  end
end
