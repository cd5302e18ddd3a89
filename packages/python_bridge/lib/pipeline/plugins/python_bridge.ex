defmodule Pipeline.Plugins.PythonBridge do
  alias Pipeline.Plugin.ConfigSchema
  alias Pipeline.Python.{Pool, Settings}

  @moduledoc """
  A pool of Python workers, for `Pipeline.Python`.

      {:ok, :python_bridge} =
        Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.PythonBridge, %{workers: 4, preload: ["json"]})

      Pipeline.Python.call("json", "loads", ["[1, 2]"])
      #=> {:ok, [1, 2]}

  The pool belongs to the instance into which the plugin is loaded. Loading fails, with the reason, when Python does not
  start.

  ## Configuration

  #{ConfigSchema.docs(Settings.schema())}

  ## Health and calls

  The plugin is healthy while a worker can take calls. `Pipeline.Plugin.RPC.call(:python_bridge, :info)` returns what
  `Pipeline.Python.info/1` does.
  """

  use Pipeline.Plugin,
    id: :python_bridge,
    version: "0.1.0",
    description: "A pool of supervised Python workers."

  capability :python, true

  @impl Pipeline.Plugin
  def config_schema, do: Settings.schema()

  # The supervisor of the plugin calls start/1, which knows the instance.
  @impl Pipeline.Plugin
  def children(config) do
    [%{id: :pool, start: {__MODULE__, :start_pool, [Settings.sealed(config)]}, type: :supervisor}]
  end

  @doc false
  @spec start_pool(map) :: Supervisor.on_start()
  def start_pool(settings), do: Pipeline.Python.Supervisor.start_link({name(), settings})

  @impl Pipeline.Plugin
  def init(_config) do
    pool = Pipeline.Python.Supervisor.whereis(name())
    with :ok <- Pool.await_ready(pool), do: {:ok, pool}
  end

  @impl Pipeline.Plugin
  def handle_rpc(:info, pool), do: {:reply, Pool.info(pool), pool}
  def handle_rpc(request, pool), do: {:error, {:unknown_request, request}, pool}

  @impl Pipeline.Plugin
  def health(pool) do
    case Pool.info(pool) do
      %{workers: %{idle: 0, busy: 0}} = info -> {:error, info}
      info -> {:ok, info}
    end
  end

  defp name, do: {:plugin, Pipeline.Plugin.current_instance()}
end
