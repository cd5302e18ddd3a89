defmodule Pipeline.Dashboard.Live do
  @moduledoc false
  # Server-sent events, in the process of the connection: what it subscribes to and traces ends with it.

  alias Pipeline.Dashboard.{Response, Views}
  alias Pipeline.Hook
  alias Pipeline.Plugin.Events

  # Milliseconds between looks of a page; also after which a connection that is gone is noticed.
  @tick 2_000
  # Of the system; for a slow page some may be missing.
  @queue 200
  # Runs and milliseconds of one trace.
  @runs 200
  @traced 600_000

  @spec stream(String.t(), term, %{String.t() => String.t()}) :: Response.t()
  def stream("page", _instance, _query), do: response(&tick/1)

  def stream("events", instance, _query) do
    response(fn send ->
      :ok = Events.subscribe(self(), :_, match: :pattern, instance: instance, max_queue: @queue)
      loop(send, &Views.Events.row/1)
      :ok = Events.unsubscribe(self(), :_, match: :pattern, instance: instance)
    end)
  end

  def stream("trace", instance, query) do
    case Enum.find(Hook.points(instance: instance), &(Views.key(&1) == query["point"])) do
      nil ->
        Response.text(404, "There is no such hook point.")

      point ->
        response(fn send ->
          {:ok, trace} = Hook.trace(point, instance: instance, pid: :all, limit: @runs, for: @traced)
          loop(send, &Views.Trace.run/1)
          Hook.untrace(trace)
        end)
    end
  end

  def stream(_other, _instance, _query), do: Response.text(404, "There is no such stream.")

  defp response(fun), do: Response.new(200, "text/event-stream", {:stream, fun})

  defp tick(send) do
    Process.sleep(@tick)
    if send.(chunk("tick", "")) == :ok, do: tick(send), else: :ok
  end

  # Other messages are the server's.
  defp loop(send, row) do
    sent =
      receive do
        {:pipeline_event, {:plugin, type}, payload} -> send.(chunk("row", row.({type, payload})))
        {:pipeline_trace, _reference, run} -> send.(chunk("row", row.(run)))
      after
        @tick -> send.(": here\n\n")
      end

    if sent == :ok, do: loop(send, row), else: :ok
  end

  # A line break would end the data.
  defp chunk(event, data) do
    lines = data |> IO.iodata_to_binary() |> String.split(["\r\n", "\n", "\r"])
    ["event: ", event, "\n", Enum.map(lines, &["data: ", &1, "\n"]), "\n"]
  end
end
