defmodule Pipeline.Plugin.ApplicationTest do
  # The environment of the application is checked as options are. Not at the same time as others: it is one for all.
  use ExUnit.Case, async: false

  alias Pipeline.Plugin.{Manager, Store}

  defp start_with(key, value) do
    before = Application.fetch_env(:pipeline_plugin, key)
    Application.put_env(:pipeline_plugin, key, value)

    try do
      Pipeline.Plugin.Application.start(:normal, [])
    after
      case before do
        {:ok, value} -> Application.put_env(:pipeline_plugin, key, value)
        :error -> Application.delete_env(:pipeline_plugin, key)
      end
    end
  end

  test "a key that is unknown stops the application from starting, with a suggestion" do
    assert_raise ArgumentError,
                 ~r/^unknown option :plugns of config :pipeline_plugin. Did you mean :plugins\? Known: :hooks, /,
                 fn -> start_with(:plugns, [No.Such]) end

    assert_raise ArgumentError, ~r/unknown option :max_restart of .* Did you mean :max_restarts\?/, fn ->
      start_with(:max_restart, 1)
    end
  end

  # As in shared/cases/12. In a VM of its own, whose application ends.
  test "max_restarts: counts for the instance, and for who starts it again" do
    ebin = Application.app_dir(:pipeline_plugin, "ebin")

    program = """
    Logger.configure(level: :none)
    Application.put_env(:pipeline_plugin, :max_restarts, 0)
    {:ok, _} = Application.ensure_all_started(:pipeline_plugin)
    application = Process.monitor(Pipeline.Plugin.ApplicationSupervisor)
    Process.exit(Pipeline.Instance.Names.whereis(Pipeline.Plugin, :manager), :kill)
    receive do: ({:DOWN, ^application, :process, _, reason} -> IO.inspect({:ended, reason}))
    """

    {output, 0} = System.cmd("elixir", ["-pa", ebin, "-e", program], stderr_to_stdout: true)
    assert output =~ "{:ended, :shutdown}"
  end

  test "the name of its instance cannot be configured" do
    assert_raise ArgumentError, ~r/unknown option :name of config :pipeline_plugin/, fn ->
      start_with(:name, :mine)
    end
  end

  test "a plugin that is configured twice is refused" do
    for plugins <- [[One, Two, One], [{One, %{}}, One]] do
      assert_raise ArgumentError,
                   "plugins: names One more than once; name it once, with one configuration",
                   fn -> Manager.start_link(name: {__MODULE__, :twice}, plugins: plugins) end
    end
  end

  @tag :tmp_dir
  test "a store that cannot be written is an error of the start, as it is", %{tmp_dir: tmp_dir} do
    file = Path.join(tmp_dir, "a file")
    File.write!(file, "")
    Process.flag(:trap_exit, true)

    assert {:error, %Store.Error{} = error} =
             Manager.start_link(name: {__MODULE__, :store}, store: Path.join(file, "store"))

    assert Exception.message(error) =~ "the plugin store #{file}/store cannot be"
  end
end
