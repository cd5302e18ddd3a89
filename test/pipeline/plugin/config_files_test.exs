defmodule Pipeline.Plugin.ConfigFilesTest do
  # Lists of plugins that Elixir has merged from several configuration files, as it does.
  use ExUnit.Case, async: true

  alias Pipeline.Plugin.ConfigFiles

  @moduletag :tmp_dir

  # The configuration as Elixir has it after these files, and what is said of it.
  defp told(dir, files) do
    paths =
      for {name, text} <- files do
        path = Path.join(dir, name)
        File.write!(path, "import Config\n" <> text)
        path
      end

    config = Enum.reduce(paths, [], &Config.Reader.merge(&2, Config.Reader.read!(&1, env: :dev)))
    plugins = config[:pipeline_plugin][:plugins]
    {plugins, ConfigFiles.sentence(plugins, paths)}
  end

  test "are told with the plugin that stays and both files", %{tmp_dir: dir} do
    {plugins, sentence} =
      told(dir, [
        {"config.exs", "config :pipeline_plugin, plugins: [{My.A, %{}}, {My.B, %{}}]"},
        {"runtime.exs", "config :pipeline_plugin, :plugins, [{My.B, %{n: 1}}, {My.C, %{}}]"}
      ])

    assert Enum.sort(Keyword.keys(plugins)) == [My.A, My.B, My.C]

    assert sentence ==
             "config :pipeline_plugin, plugins: is merged from several files: My.A of #{dir}/config.exs stays, though " <>
               "#{dir}/runtime.exs does not name it. Name all plugins in one file, or give a function, such as " <>
               "plugins: &MyApp.Plugins.list/0"
  end

  test "are told where the last list is empty, and where it is in a branch that was taken", %{tmp_dir: dir} do
    first = {"config.exs", "config :pipeline_plugin, plugins: [{My.A, %{}}]"}

    assert {[{My.A, %{}}], "config" <> _} =
             told(dir, [first, {"runtime.exs", "config :pipeline_plugin, plugins: []"}])

    taken = "if config_env() == :dev do\n config :pipeline_plugin, plugins: [{My.B, %{}}]\nend"
    assert {[_, _], "config" <> _} = told(dir, [first, {"runtime.exs", taken}])
  end

  test "are none where the last file names all, replaces the list, or names it in a branch that was not taken",
       %{tmp_dir: dir} do
    first = {"config.exs", "config :pipeline_plugin, plugins: [{My.A, %{}}]"}

    for last <- [
          "config :pipeline_plugin, plugins: [{My.A, %{}}, {My.B, %{}}]",
          "config :pipeline_plugin, hooks: My.Hooks",
          "config :other, plugins: [{My.B, %{}}]",
          "if config_env() == :prod do\n config :pipeline_plugin, plugins: [{My.B, %{}}]\nend",
          "if config_env() == :prod do\n config :pipeline_plugin, plugins: []\nend"
        ] do
      assert {_plugins, nil} = told(dir, [first, {"runtime.exs", last}])
    end

    # Lists that are no pairs are replaced.
    File.write!(Path.join(dir, "runtime.exs"), "import Config\nconfig :pipeline_plugin, plugins: [My.B]")
    files = for name <- ["config.exs", "runtime.exs", "absent.exs"], do: Path.join(dir, name)
    assert ConfigFiles.sentence([{My.A, %{}}], files) == nil
  end

  test "are told in a release, by what it was built with", %{tmp_dir: dir} do
    built = Path.join(dir, "sys.config")
    File.write!(built, :io_lib.format("~p.~n", [[{:pipeline_plugin, [plugins: [{My.A, %{}}]]}]]))
    runtime = Path.join(dir, "runtime.exs")
    File.write!(runtime, "import Config\nconfig :pipeline_plugin, plugins: [{My.B, %{}}]")
    sentence = ConfigFiles.sentence([{My.A, %{}}, {My.B, %{}}], [built, runtime])
    assert sentence =~ "My.A of #{built} stays, though #{runtime} does not name it"
  end
end
