defmodule Pipeline.Gated do
  @moduledoc """
  Callbacks of a plugin that tell a test when they run, and wait for leave to go on where the configuration says so.

  The configuration has the test, `:test`, and with `:wait` the callbacks that wait: for `:go`, or `{:fail, reason}`, or the
  test's end. The message `{:wait, callbacks}` says anew which.
  """

  defmacro __using__(_) do
    quote do
      @impl Pipeline.Plugin
      def init(config), do: Pipeline.Gated.pass(config, :init, __plugin__().id)
      @impl Pipeline.Plugin
      def start(config), do: Pipeline.Gated.pass(config, :start, __plugin__().id)
      @impl Pipeline.Plugin
      def stop(config) do
        _ = Pipeline.Gated.pass(config, :stop, __plugin__().id)
        :ok
      end

      @impl Pipeline.Plugin
      def handle_message({:wait, callbacks}, config), do: {:ok, Map.put(config, :wait, callbacks)}
    end
  end

  @doc "What a callback returns, once it may."
  @spec pass(map, atom, Pipeline.Plugin.plugin_id()) :: {:ok, map} | {:error, term}
  def pass(%{test: test} = config, callback, id) do
    send(test, {callback, id, self()})
    if callback in Map.get(config, :wait, []), do: wait(config), else: {:ok, config}
  end

  # The test may be over by then.
  defp wait(%{test: test} = config) do
    monitor = Process.monitor(test)

    result =
      receive do
        :go -> {:ok, config}
        {:fail, reason} -> {:error, reason}
        {:DOWN, ^monitor, :process, ^test, _} -> {:ok, config}
      end

    Process.demonitor(monitor, [:flush])
    result
  end
end
