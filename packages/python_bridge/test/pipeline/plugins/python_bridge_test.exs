defmodule Pipeline.Plugins.PythonBridgeTest do
  use Pipeline.PythonCase, async: true

  import ExUnit.CaptureLog

  alias Pipeline.Plugin.{Manager, RPC}
  alias Pipeline.Plugins.PythonBridge

  @moduletag pool: false

  setup context do
    instance = {context.module, context.test}
    start_supervised!({Manager, name: instance})
    {:ok, instance: instance}
  end

  # As the original document has it, but for the name of the module and the warning that it silences.
  defmodule LangChainIntegration do
    use Pipeline.Plugin,
      id: :langchain_integration,
      version: "1.0.0"

    @moduledoc """
    Integrates with Python LangChain via Erlport.
    """

    depends_on :python_bridge

    capability :langchain_tools, true
    capability :vector_stores, [:chroma, :pinecone, :weaviate]

    @impl Pipeline.Plugin
    def init(config) do
      # Initialize Python interpreter
      {:ok, python} = :python.start_link(python_path: config[:python_path])
      {:ok, %{python: python, config: config}}
    end

    provides :node_handler, Pipeline.Handlers.LangChain
  end

  # Calls Python from its own process.
  defmodule Caller do
    use Pipeline.Plugin, id: :caller
    depends_on :python_bridge

    @impl Pipeline.Plugin
    def handle_rpc({:sqrt, n}, state), do: {:reply, Pipeline.Python.call("math", "sqrt", [n]), state}
  end

  defp load(instance, config \\ %{}) do
    config = Map.new(settings(Keyword.new(config)))
    Manager.load_plugin(PythonBridge, config, instance: instance)
  end

  test "serves its instance, and plugins of it", %{instance: instance} do
    assert {:error, %Error{type: :not_running}} = Python.call("math", "sqrt", [16], instance: instance)
    assert load(instance) == {:ok, :python_bridge}
    assert Python.call("math", "sqrt", [16], instance: instance) == {:ok, 4.0}
    assert {:ok, :caller} = Manager.load_plugin(Caller, %{}, instance: instance)
    assert RPC.call(:caller, {:sqrt, 9}, 30_000, instance: instance) == {:ok, {:ok, 3.0}}
    assert {:ok, %{workers: %{idle: 1}}} = RPC.call(:python_bridge, :info, 30_000, instance: instance)
    assert {:error, {:unknown_request, :what}} = RPC.call(:python_bridge, :what, 30_000, instance: instance)
    assert Manager.get_by_capability(:python, instance: instance) == [:python_bridge]
  end

  test "leaves no Python when it is unloaded", %{instance: instance} do
    {:ok, :python_bridge} = load(instance)
    {:ok, os_pid} = Python.call("os", "getpid", [], instance: instance)
    assert running?(os_pid)
    assert Manager.unload_plugin(:python_bridge, instance: instance) == :ok
    refute running?(os_pid)
    assert {:error, %Error{type: :not_running}} = Python.call("math", "sqrt", [16], instance: instance)
  end

  test "comes back when its pool is killed", %{instance: instance} do
    {:ok, :python_bridge} = load(instance)
    Process.exit(Pipeline.Python.Supervisor.whereis({:plugin, instance}), :kill)

    assert await(fn -> with {:error, _} <- Python.call("math", "sqrt", [16], instance: instance), do: nil end) ==
             {:ok, 4.0}
  end

  test "does not load when Python does not start, and says why", %{instance: instance} do
    assert {:error, %Pipeline.Plugin.Error{step: :init} = error} = load(instance, preload: ["no_such_module"])
    assert Exception.message(error) =~ "No module named 'no_such_module'"
    assert {:error, %Pipeline.Plugin.Error{step: :config} = error} = load(instance, worker: 3)
    assert Exception.message(error) =~ "Did you mean :workers?"
    assert Manager.list_plugins(instance: instance) == []
  end

  test "is unhealthy while no worker takes calls", %{instance: instance} do
    folder = folder!()
    File.write!(Path.join(folder, "switch.py"), "")
    {:ok, _} = load(instance, paths: [folder], preload: ["switch"], backoff: %{min: 60_000, max: 60_000})
    assert %{status: :healthy} = Manager.health(instance: instance)
    File.write!(Path.join(folder, "switch.py"), "raise RuntimeError")
    {:ok, os_pid} = Python.call("os", "getpid", [], instance: instance)
    kill(os_pid)
    await(fn -> Manager.health(instance: instance).status != :healthy end)
  end

  test "gives its environment to Python, and to no report", %{instance: instance} do
    log =
      capture_log(fn ->
        {:ok, :python_bridge} = load(instance, env: %{"API_KEY" => "s3cr3t"})
        assert Python.call("os", "getenv", ["API_KEY"], instance: instance) == {:ok, "s3cr3t"}
        pool = Pipeline.Python.Supervisor.whereis({:plugin, instance})
        refute inspect(:sys.get_status(pool), limit: :infinity) =~ "s3cr3t"
        {:dictionary, dictionary} = Process.info(pool, :dictionary)

        for supervisor <- dictionary[:"$ancestors"], is_pid(supervisor), supervisor != self() do
          refute inspect(:sys.get_state(supervisor), limit: :infinity) =~ "s3cr3t"
        end

        Process.exit(pool, :kill)
        await(fn -> match?({:ok, _}, Python.call("math", "sqrt", [16], instance: instance)) end)
      end)

    refute log =~ "s3cr3t"
  end

  test "lets the LangChain plugin of the original document run as it is written", %{instance: instance} do
    {:ok, :python_bridge} = load(instance)

    assert {:ok, :langchain_integration} =
             Manager.load_plugin(LangChainIntegration, %{python_path: interpreter()}, instance: instance)

    %{pid: pid} = Manager.plugin_info!(:langchain_integration, instance: instance)
    %{state: %{python: python}} = :sys.get_state(pid)
    assert :python.call(python, :math, :sqrt, [16]) == 4.0
    os_pid = :python.call(python, :os, :getpid, [])
    assert running?(os_pid)
    assert Manager.unload_plugin(:langchain_integration, instance: instance) == :ok
    await_gone(os_pid)
  end

  test "the module :python starts, calls, raises and stops as ErlPort's" do
    {:ok, python} = :python.start_link(python: String.to_charlist(interpreter()))
    assert :python.call(python, :operator, :add, [1, 2]) == 3

    assert {:python, "ZeroDivisionError", "division by zero", traceback} =
             catch_error(:python.call(python, :operator, :truediv, [1, 0]))

    assert traceback =~ "ZeroDivisionError"
    os_pid = :python.call(python, :os, :getpid, [])
    assert :python.stop(python) == :ok
    await_gone(os_pid)
    {:ok, python} = :python.start_link()
    assert :python.stop(python) == :ok
  end
end
