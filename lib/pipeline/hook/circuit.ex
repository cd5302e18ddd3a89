defmodule Pipeline.Hook.Circuit do
  @moduledoc false
  # A hook with a `circuit` is asked for before it is called, and its failures are counted, by a breaker of the core.
  # The breaker is held by the hook's entry, so it stays while the hook stays, whatever else comes to its point.
  #
  # What goes through the hook from behind `next` bears its owner's mark and is no failure of the hook; nor is what it
  # throws as `{:hook_error, reason}`.

  alias Pipeline.Core
  alias Pipeline.Hook.{Chain, Entry, Failure}
  alias Pipeline.Hook.Circuit.Settings

  @enforce_keys [:settings, :breaker]
  defstruct @enforce_keys

  @type t :: %__MODULE__{settings: Settings.t(), breaker: reference}

  @type permit :: non_neg_integer | {:trial, non_neg_integer}

  @spec new(Settings.t()) :: t
  def new(settings) do
    {:ok, breaker} = Core.breaker_new(settings.failures, settings.window, settings.cool_down, settings.trials)

    %__MODULE__{settings: settings, breaker: breaker}
  end

  @doc "The function of a hook, behind its breaker."
  @spec wrap(Entry.t(), function, atom | nil) :: function
  def wrap(%Entry{circuit: %{breaker: breaker}} = entry, fun, instance) do
    fn context, next ->
      case Core.breaker_admit(breaker) do
        permit when is_integer(permit) ->
          try do
            fun.(context, next)
          catch
            kind, reason -> failed(entry, permit, kind, reason, __STACKTRACE__, instance)
          end

        :refused ->
          refuse(entry, context, next)

        trial ->
          watch(entry, begin(entry, trial, instance), fn -> fun.(context, next) end, instance)
      end
    end
  end

  @doc "Asks whether a hook may be called."
  @spec admit(Entry.t(), atom | nil) :: permit | :refused
  def admit(%Entry{circuit: %{breaker: breaker}} = entry, instance) do
    case Core.breaker_admit(breaker) do
      {:trial, _permit, _transition} = trial -> begin(entry, trial, instance)
      permit_or_refused -> permit_or_refused
    end
  end

  @doc "Makes a call that was admitted, and tells the breaker how it ended."
  @spec watch(Entry.t(), permit, (() -> term), atom | nil) :: term
  def watch(entry, permit, call, instance) do
    call.()
  catch
    kind, reason -> failed(entry, permit, kind, reason, __STACKTRACE__, instance)
  else
    value ->
      passed(entry, permit, instance)
      value
  end

  @doc "Closes the circuit of a hook, whatever it has seen."
  @spec reset(Entry.t(), atom | nil) :: :ok
  def reset(%Entry{circuit: %{breaker: breaker}} = entry, instance) do
    tell(entry, Core.breaker_reset(breaker), instance)
  end

  @doc "What `Pipeline.Hook.stats/2` shows of it."
  @spec read(t) :: map
  def read(%__MODULE__{breaker: breaker}) do
    {state, failures, opened, refused} = Core.breaker_counts(breaker)
    %{state: state, failures: failures, opened: opened, refused: refused}
  end

  @spec refuse(Entry.t(), term, Chain.step()) :: term
  defp refuse(%Entry{on_error: :skip} = entry, context, next) do
    if entry.observer, do: entry.observer.(Failure.circuit_error(entry))
    next.(context)
  end

  defp refuse(entry, _context, _next), do: Failure.circuit_open(entry)

  defp begin(entry, {:trial, permit, transition}, instance) do
    tell(entry, transition, instance)
    {:trial, permit}
  end

  defp failed(entry, permit, kind, reason, stacktrace, instance) do
    cond do
      Failure.owner(kind, reason, stacktrace) != nil -> passed(entry, permit, instance)
      match?({:throw, {:hook_error, _}}, {kind, reason}) -> passed(entry, permit, instance)
      true -> tell(entry, Core.breaker_failed(entry.circuit.breaker, number(permit)), instance)
    end

    :erlang.raise(kind, reason, stacktrace)
  end

  defp passed(entry, {:trial, permit}, instance) do
    tell(entry, Core.breaker_passed(entry.circuit.breaker, permit), instance)
  end

  defp passed(_entry, _permit, _instance), do: :ok

  defp number({:trial, permit}), do: permit
  defp number(permit), do: permit

  defp tell(_entry, nil, _instance), do: :ok
  defp tell(_entry, _transition, nil), do: :ok

  defp tell(entry, {from, to, reason}, instance) do
    told = %{
      plugin: entry.plugin,
      point: entry.point,
      kind: entry.kind,
      from: from,
      to: to,
      reason: reason,
      opened: read(entry.circuit).opened
    }

    Pipeline.Events.emit({:plugin, :hook_circuit}, told, instance: instance)
  end
end
