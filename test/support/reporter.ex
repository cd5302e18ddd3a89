defmodule Pipeline.Reporter do
  @moduledoc """
  Callbacks for a plugin that tell the test process of its configuration, `%{test: pid}`, that they run.
  """

  @doc false
  defmacro __using__(_) do
    quote do
      @impl Pipeline.Plugin
      def init(config) do
        report(config, :init)
        {:ok, config}
      end

      @impl Pipeline.Plugin
      def start(config) do
        report(config, :start)
        {:ok, config}
      end

      @impl Pipeline.Plugin
      def stop(config) do
        report(config, :stop)
        :ok
      end

      @impl Pipeline.Plugin
      def handle_rpc(:config, config), do: {:reply, config, config}

      defp report(%{test: pid}, callback), do: send(pid, {callback, __plugin__().id, self()})
      defp report(_config, _callback), do: :ok
    end
  end
end
