defmodule Pipeline.Hook.Listeners do
  @moduledoc false
  # The hooks of a point whose mode is not `:chain`: each is called as `(context)`, none sees another.

  alias Pipeline.Hook.{Chain, Circuit, Closures, Failure, HookCounters, Instrument, Registration}

  @spec run(Chain.t(), term, Chain.step() | nil, Instrument.observe() | nil) :: Chain.result()
  def run(chain, context, core, observe \\ nil)

  def run(%Chain{mode: :first} = chain, context, core, observe) do
    first(chain.entries, context, core, {chain.instance, observe}, 0)
  end

  def run(%Chain{mode: :collect} = chain, context, core, observe) do
    check_core!(core, chain)
    collect(chain.entries, context, [], {chain.instance, observe}, 0)
  end

  def run(%Chain{mode: :notify} = chain, context, core, observe) do
    check_core!(core, chain)
    notify(chain.entries, context, {chain.instance, observe}, 0)
  end

  # The identity is what a run without a base operation has.
  defp check_core!(core, chain) do
    unless core == nil or core === (&Function.identity/1) do
      raise ArgumentError,
            "the hook point #{inspect(chain.point)} runs as #{inspect(chain.mode)}, which has no base operation: " <>
              "run it without one"
    end
  end

  defp first([], _context, nil, _via, _place), do: {:ok, nil}
  defp first([], context, core, _via, _place), do: Closures.alone(context, core)

  defp first([entry | entries], context, core, via, place) do
    case call(entry, context, via, place) do
      {:ok, nil} -> first(entries, context, core, via, place + 1)
      {:ok, value} -> {:ok, value}
      :skipped -> first(entries, context, core, via, place + 1)
      {:error, reason} -> {:error, reason}
    end
  end

  defp collect([], _context, values, _via, _place), do: {:ok, Enum.reverse(values)}

  defp collect([entry | entries], context, values, via, place) do
    case call(entry, context, via, place) do
      {:ok, value} -> collect(entries, context, [value | values], via, place + 1)
      :skipped -> collect(entries, context, values, via, place + 1)
      {:error, reason} -> {:error, reason}
    end
  end

  defp notify([], _context, _via, _place), do: :ok

  defp notify([entry | entries], context, via, place) do
    call(entry, context, via, place)
    notify(entries, context, via, place + 1)
  end

  defp call(%Registration{circuit: nil, call: fun} = entry, context, via, place) do
    called(entry, fun, context, via, place)
  end

  defp call(%Registration{call: fun} = entry, context, {instance, _observe} = via, place) do
    case Circuit.admit(entry, instance) do
      :refused ->
        refused(entry, via, place)

      permit ->
        watched = fn context -> Circuit.watch(entry, permit, fn -> fun.(context) end, instance) end
        called(entry, watched, context, via, place)
    end
  end

  defp called(entry, fun, context, {instance, nil}, _place) do
    {:ok, fun.(context)}
  catch
    kind, reason -> failed(entry, kind, reason, __STACKTRACE__, instance)
  end

  defp called(entry, fun, context, {instance, observe}, place) do
    {:ok, Instrument.call(fn -> fun.(context) end, &tell(observe, place, {entry, fun}, &1, &2, &3))}
  catch
    kind, reason -> failed(entry, kind, reason, __STACKTRACE__, instance)
  end

  defp tell(observe, place, ready, ended, started, now) do
    outcome =
      case ended do
        {:ok, nil} -> :passed
        {:ok, _value} -> :answered
        failed -> failed
      end

    observe.(place, ready, outcome, started, Instrument.nanoseconds(now - started))
  end

  defp refused(entry, {_instance, observe}, place) do
    error = Failure.circuit_error(entry)
    if observe, do: observe.(place, {entry, nil}, {:failed, :error, error, []}, Instrument.clock(), 0)

    case entry.on_error do
      :halt -> {:error, error}
      :skip -> :skipped
      :raise -> raise error
    end
  end

  defp failed(entry, kind, reason, stacktrace, instance) do
    case {entry.on_error, kind, reason} do
      {:halt, :throw, {:hook_error, refusal}} ->
        HookCounters.refused(entry.tally)
        {:error, Registration.conceal(entry, refusal)}

      {:halt, _, _} ->
        {:error, Failure.report(entry, kind, reason, stacktrace, instance)}

      {:skip, _, _} ->
        Failure.skip(entry, kind, reason, stacktrace, instance)
        :skipped

      {:raise, _, _} ->
        Failure.report(entry, kind, reason, stacktrace, instance)
        Registration.raise(entry, kind, reason, stacktrace)
    end
  end
end
