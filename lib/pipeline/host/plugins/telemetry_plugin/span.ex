defmodule Pipeline.Plugins.TelemetryPlugin.Span do
  @moduledoc false
  # Emits spans and events, through `:telemetry` if the host has it.
  #
  # Spans have the events of `:telemetry.span/3`. That function is not called: its event of a failure has the arguments of
  # the call that failed, which can be the whole context.

  alias Pipeline.{Foreign, Telemetry}
  alias Pipeline.Foreign.Stacktrace

  @spec run([atom], map, atom | nil, (() -> result)) :: result when result: term
  def run(name, metadata, instance, fun) do
    started = System.monotonic_time()
    metadata = Map.put(metadata, :telemetry_span_context, make_ref())
    event(name ++ [:start], %{monotonic_time: started, system_time: System.system_time()}, metadata, instance)

    try do
      fun.()
    catch
      kind, reason ->
        told = %{
          kind: kind,
          reason: kind |> term(reason, __STACKTRACE__) |> Foreign.outline(),
          stacktrace: Stacktrace.told(__STACKTRACE__)
        }

        event(name ++ [:exception], since(started), Map.merge(metadata, told), instance)
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      result ->
        event(name ++ [:stop], since(started), Map.put(metadata, :result, outcome(result)), instance)
        result
    end
  end

  @spec event([atom], map, map, atom | nil) :: :ok
  def event(name, measurements, metadata, instance) do
    if Telemetry.there?() do
      Telemetry.execute(name, measurements, metadata)
    else
      opts = if instance, do: [instance: instance], else: []
      Pipeline.Events.emit(name, %{measurements: measurements, metadata: metadata}, opts)
    end
  end

  @doc "The tag of a node's result: `:ok` or `:error`."
  @spec outcome(term) :: term
  def outcome(result) when is_tuple(result) and tuple_size(result) > 0, do: elem(result, 0)
  def outcome(_result), do: :other

  defp term(:error, reason, stacktrace), do: Foreign.normalize(reason, stacktrace)
  defp term(_kind, reason, _stacktrace), do: reason

  defp since(started) do
    now = System.monotonic_time()
    %{duration: now - started, monotonic_time: now}
  end
end
