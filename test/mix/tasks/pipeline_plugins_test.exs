defmodule Mix.Tasks.Pipeline.PluginsTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  @moduletag :tmp_dir

  @source """
  defmodule PluginsTaskFixture.Blog do
    use Pipeline.Plugin, id: :plugins_task_blog, version: "1.2.0"
    capability :plugins_task_pages, [:plugins_task_html, "feed"]
    capability :plugins_task_bare
    depends_on "cache", version: "~> 1.0"
    depends_on :plugins_task_search, optional: true
    depends_on capability: :plugins_task_llm
  end

  defmodule PluginsTaskFixture.Cache do
    use Pipeline.Plugin, id: "cache", version: "1.4.0"
  end

  defmodule PluginsTaskFixture.Local do
    use Pipeline.Plugin, id: :plugins_task_local
    capability :plugins_task_llm
  end

  defmodule PluginsTaskFixture.Shop do
    use Pipeline.Plugin, id: :plugins_task_shop
    depends_on "cahce"
  end

  defmodule PluginsTaskFixture.Lacking do
    Module.register_attribute(__MODULE__, :pipeline_plugin, persist: true)
    @pipeline_plugin %{id: :lacking, version: "1.0.0", capabilities: [], dependencies: []}
  end
  """

  setup_all do
    {:ok, compiled: Pipeline.Elsewhere.compile!(@source)}
  end

  defp run(args), do: capture_io(fn -> Mix.Tasks.Pipeline.Plugins.run(["--no-compile" | args]) end)

  defp put(names, context) do
    for name <- names do
      file = "Elixir.PluginsTaskFixture.#{name}.beam"
      path = Path.join(context.tmp_dir, file)
      File.cp!(Path.join(context.compiled, file), path)
      Path.relative_to_cwd(path)
    end
  end

  test "shows the name of a file on one line, whatever is in it", context do
    File.write!(Path.join(context.tmp_dir, "a\nforged 1.0.0 \e[31m\u202E.beam"), "no module")
    output = run([context.tmp_dir])
    assert output =~ "a\\nforged 1.0.0 \\x{1B}[31m\\x{202E}.beam"
    refute output =~ ~r/^forged/m
    refute output =~ "\e"
  end

  test "lists what is found and what keeps it from being loaded", context do
    [blog, cache, lacking, local, shop] = put(~w(Blog Cache Lacking Local Shop), context)
    text = Path.join(context.tmp_dir, "text.beam")
    File.write!(text, "no module")

    assert run([context.tmp_dir]) == """
           plugins_task_blog 1.2.0
             path          #{blog}
             capabilities  plugins_task_pages [:plugins_task_html, "feed"], plugins_task_bare
             depends on    "cache" ~> 1.0, plugins_task_search (optional), capability plugins_task_llm
             loadable      yes

           "cache" 1.4.0
             path          #{cache}
             capabilities  none
             depends on    none
             loadable      yes

           plugins_task_local 1.0.0
             path          #{local}
             capabilities  plugins_task_llm
             depends on    none
             loadable      yes

           plugins_task_shop 1.0.0
             path          #{shop}
             capabilities  none
             depends on    "cahce"
             loadable      no: plugins_task_shop needs "cahce", which is not there: load "cahce" as well, or leave plugins_task_shop out. Did you mean "cache"?

           Not usable:
             #{lacking}
               missing_callbacks: it carries a manifest but does not export __plugin__/0; recompile it with use Pipeline.Plugin
             #{Path.relative_to_cwd(text)}
               not_a_beam_file: the file is no BEAM file: it does not start with FOR1, a size and BEAM; compile it again

           4 plugins found, 3 can be loaded, 2 files not usable

           """
  end

  test "takes globs, and shows every line of a sentence", context do
    put(~w(Blog Local), context)
    output = run([context.tmp_dir <> "/*Blog*"])

    assert output =~ """
             loadable      no: 2 dependencies are not met:
                             plugins_task_blog needs "cache" ~> 1.0, which is not there: load "cache" as well, \
           or leave plugins_task_blog out.
                             plugins_task_blog needs the capability plugins_task_llm, which no other plugin provides: \
           """

    assert output =~ "1 plugin found, 0 can be loaded\n"
  end

  test "judges with the plugins of the project, which stay, unless alone", context do
    compiled =
      Pipeline.Elsewhere.compile!("""
      defmodule PluginsTaskFixture.Leaning do
        use Pipeline.Plugin, id: :plugins_task_leaning
        depends_on :local_provider, version: "~> 1.0"
      end

      defmodule PluginsTaskFixture.Other do
        use Pipeline.Plugin, id: :local_provider, version: "1.0.0"
      end
      """)

    for name <- ~w(Leaning Other) do
      file = "Elixir.PluginsTaskFixture.#{name}.beam"
      File.mkdir_p!(Path.join(context.tmp_dir, name))
      File.cp!(Path.join(compiled, file), Path.join([context.tmp_dir, name, file]))
    end

    leaning = Path.join(context.tmp_dir, "Leaning")
    assert run([leaning]) =~ "loadable      yes"
    assert run([leaning]) =~ "1 plugin found, 1 can be loaded"

    assert run([leaning, "--alone"]) =~ "plugins_task_leaning needs local_provider ~> 1.0, which is not there"

    assert run([Path.join(context.tmp_dir, "Other")]) =~
             "loadable      no, the same version is at #{Mix.Project.build_path()}/lib/pipeline_plugin/ebin/"
  end

  test "prints JSON that forges nothing", context do
    [blog, _shop] = put(~w(Blog Shop), context)
    File.write!(Path.join(context.tmp_dir, "a\nforged \e[31m.beam"), "no module")
    output = run([context.tmp_dir, "--json"])
    refute output =~ "\e"
    assert {:ok, %{"plugins" => [first, second], "unusable" => [unusable]}} = Pipeline.JSON.decode(output)

    assert %{"id" => "plugins_task_blog", "version" => "1.2.0", "path" => ^blog, "verdict" => "unloadable"} =
             first

    assert first["depends_on"] == [
             ~S("cache" ~> 1.0),
             "plugins_task_search (optional)",
             "capability plugins_task_llm"
           ]

    assert first["capabilities"] == [~S(plugins_task_pages [:plugins_task_html, "feed"]), "plugins_task_bare"]
    assert first["reason"] =~ "2 dependencies are not met:\n"
    assert second["reason"] =~ ~S(needs "cahce", which is not there)
    assert unusable["reason"] == "not_a_beam_file"
    assert unusable["path"] =~ "a\\nforged"
  end

  test "looks through the project without a path" do
    output = run([])
    assert output =~ "local_provider 1.0.0\n  path          _build/"
    assert output =~ "Elixir.Pipeline.Plugins.LocalProvider.beam"
  end

  test "shows nothing that a terminal obeys", context do
    path = Path.join(context.tmp_dir, "\e[31mred.beam")
    File.write!(path, "no module")
    output = run([context.tmp_dir])
    refute output =~ "\e"
    assert output =~ ~S(\x{1B}[31mred.beam)
  end

  test "refuses unknown options" do
    assert_raise OptionParser.ParseError, ~r/--nonsense : Unknown option/, fn -> run(["--nonsense"]) end
  end
end
