defmodule Pipeline.Hook.Policy.Circuit do
  @moduledoc false
  # `circuit:`. A breaker of the core decides whether the hook is called, and counts its failures. It belongs
  # to the registration of the hook, so it stays when other hooks come to the point and go. Fused hooks have
  # their library ask it (`Pipeline.Hook.Segment`).
  #
  # `throw {:hook_error, reason}`, and a failure from behind `next`, are no failures of the hook.

  @behaviour Pipeline.Hook.Policy

  require Pipeline.Hook.Policy.Circuit.PermitCache

  require Logger

  alias Pipeline.Foreign
  alias Pipeline.Hook.{Failure, Registration}
  alias Pipeline.Hook.Policy.Circuit.{Breaker, PermitCache}
  alias Pipeline.Telemetry

  @impl true
  def wrap(fun, %Breaker{permits: permits} = breaker, hook) do
    fn context, next ->
      case PermitCache.read(permits) do
        permit when permit >= 0 ->
          try do
            fun.(context, next)
          catch
            kind, reason -> failed(breaker, hook, permit, kind, reason, __STACKTRACE__)
          end

        version ->
          ask(breaker, hook, version, fn -> fun.(context, next) end)
      end
    end
  end

  defp ask(breaker, hook, version, call) do
    case Breaker.admit(breaker, version) do
      :refused ->
        Failure.circuit_open(hook)

      permit ->
        with {:trial, _permit, transition} <- permit, do: report(hook, transition)
        watch(breaker, hook, permit, call)
    end
  end

  defp watch(breaker, hook, permit, call) do
    call.()
  catch
    kind, reason -> failed(breaker, hook, permit, kind, reason, __STACKTRACE__)
  else
    value ->
      report(hook, Breaker.passed(breaker, permit))
      value
  end

  defp failed(breaker, hook, permit, kind, reason, stacktrace) do
    refused? = match?({:throw, {:hook_error, _}}, {kind, reason})
    passed? = refused? or Failure.owner(kind, reason, stacktrace) != nil
    report(hook, if(passed?, do: Breaker.passed(breaker, permit), else: Breaker.failed(breaker, permit)))
    :erlang.raise(kind, reason, stacktrace)
  end

  @doc "Closes the circuit of a hook, whatever it has seen."
  @spec reset(Registration.t()) :: :ok
  def reset(%Registration{policies: %{circuit: breaker}} = hook), do: report(hook, Breaker.reset(breaker))

  defp report(_hook, nil), do: :ok

  defp report(%{policies: %{circuit: breaker}} = hook, moved),
    do: report(hook, moved, Breaker.read(breaker).opened)

  @doc "Emits the event `:hook_circuit` for a change after which the circuit had opened so often."
  @spec report(Registration.t(), Breaker.transition(), non_neg_integer) :: :ok
  def report(%Registration{instance: nil}, _transition, _opened), do: :ok

  def report(%Registration{} = hook, {from, to, reason}, opened) do
    payload = %{
      plugin: hook.plugin,
      point: hook.point,
      kind: hook.kind,
      from: from,
      to: to,
      reason: reason,
      opened: opened
    }

    log(hook, to, reason)

    Telemetry.emit([:circuit, to], fn ->
      {%{count: 1, opened: opened}, payload |> Map.delete(:opened) |> Map.put(:instance, hook.instance)}
    end)

    Pipeline.Events.emit({:plugin, :hook_circuit}, payload, instance: hook.instance)
  end

  # A circuit that is tried out says nothing.
  defp log(hook, :open, reason) do
    Logger.warning(
      "#{subject(hook)} is open (#{Foreign.term(reason)}); the hook is not called",
      metadata(hook)
    )
  end

  defp log(hook, :closed, _reason), do: Logger.info("#{subject(hook)} is closed again", metadata(hook))
  defp log(_hook, _half_open, _reason), do: :ok

  defp subject(%{kind: kind, plugin: plugin, point: point}),
    do: "the circuit of the #{inspect(kind)} hook of plugin #{Foreign.term(plugin)} on #{inspect(point)}"

  defp metadata(hook), do: [plugin: hook.plugin, instance: hook.instance, version: hook.version]
end
