defmodule Pipeline.Plugins.TelemetryPlugin.Span do
  @moduledoc false
  # Emits spans and events, through `:telemetry` if the host has it.

  @spec run([atom], map, atom | nil, (() -> result)) :: result when result: term
  def run(name, metadata, instance, fun) do
    if telemetry?() do
      traced = fn ->
        result = fun.()
        {result, Map.put(metadata, :result, outcome(result))}
      end

      telemetry(:span, [name, metadata, traced])
    else
      emit_span(name, metadata, instance, fun)
    end
  end

  @spec event([atom], map, map, atom | nil) :: :ok
  def event(name, measurements, metadata, instance) do
    if telemetry?() do
      telemetry(:execute, [name, measurements, metadata])
    else
      emit(name, measurements, metadata, instance)
    end
  end

  @doc "The tag of a node's result: `:ok` or `:error`."
  @spec outcome(term) :: term
  def outcome(result) when is_tuple(result) and tuple_size(result) > 0, do: elem(result, 0)
  def outcome(_result), do: :other

  @doc "Loads `:telemetry` if it is present, so that a span need not ask the code server."
  @spec find_telemetry() :: boolean
  def find_telemetry, do: Code.ensure_loaded?(:telemetry)

  defp telemetry?, do: :erlang.module_loaded(:telemetry)

  # Not a dependency: a direct call would be one to an unknown function.
  defp telemetry(function, args), do: apply(:telemetry, function, args)

  defp emit_span(name, metadata, instance, fun) do
    started = System.monotonic_time()
    emit(name ++ [:start], %{monotonic_time: started}, metadata, instance)

    try do
      fun.()
    catch
      kind, reason ->
        failed = Map.merge(metadata, %{kind: kind, reason: reason, stacktrace: __STACKTRACE__})
        emit(name ++ [:exception], %{duration: System.monotonic_time() - started}, failed, instance)
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      result ->
        stopped = Map.put(metadata, :result, outcome(result))
        emit(name ++ [:stop], %{duration: System.monotonic_time() - started}, stopped, instance)
        result
    end
  end

  defp emit(name, measurements, metadata, instance) do
    opts = if instance, do: [instance: instance], else: []
    Pipeline.Events.emit(name, %{measurements: measurements, metadata: metadata}, opts)
  end
end
