defmodule Pipeline.TelemetryStandIn do
  @moduledoc """
  Loads a module `:telemetry` with the API of the package of that name, which is no dependency, and removes it again.

  Only for tests that run alone: others rely on a host without it.
  """

  @spec load() :: :ok
  def load do
    {:module, :telemetry, _, _} = Module.create(:telemetry, code(), Macro.Env.location(__ENV__))
    :telemetry = :ets.new(:telemetry, [:named_table, :public, :duplicate_bag])
    :ok
  end

  @spec unload() :: :ok
  def unload do
    :code.purge(:telemetry)
    :code.delete(:telemetry)
    :code.purge(:telemetry)
    :ok
  end

  defp code do
    quote do
      def attach(id, event, fun, config), do: attach_many(id, [event], fun, config)

      def attach_many(id, events, fun, config) do
        for event <- events, do: :ets.insert(:telemetry, {event, id, fun, config})
        :ok
      end

      def detach(id) do
        :ets.match_delete(:telemetry, {:_, id, :_, :_})
        :ok
      end

      def list_handlers(prefix) do
        for {event, id, fun, config} <- :ets.tab2list(:telemetry),
            List.starts_with?(event, prefix),
            do: %{id: id, event_name: event, function: fun, config: config}
      end

      def execute(event, measurements), do: execute(event, measurements, %{})

      def execute(event, measurements, metadata) when is_map(measurements) and is_map(metadata) do
        for {_event, _id, fun, config} <- :ets.lookup(:telemetry, event),
            do: fun.(event, measurements, metadata, config)

        :ok
      end

      def span(prefix, metadata, fun) do
        execute(prefix ++ [:start], %{system_time: System.system_time()}, metadata)
        {result, stopped} = fun.()
        execute(prefix ++ [:stop], %{duration: 1}, stopped)
        result
      end
    end
  end
end
