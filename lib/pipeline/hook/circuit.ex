defmodule Pipeline.Hook.Circuit do
  @moduledoc false
  # A hook with a `circuit` is asked for before it is called, and its failures are counted, by a breaker of the core.
  # The breaker is held by the hook's entry, so it stays while the hook stays, whatever else comes to its point. Hooks that
  # are fused have it asked by their library (`Pipeline.Hook.Segment`); all others are called behind `wrap/3`, which reads
  # one atomic word while the breaker is closed (`Pipeline.Hook.Circuit.PermitCache`).
  #
  # What goes through the hook from behind `next` bears its owner's mark and is no failure of the hook; nor is what it
  # throws as `{:hook_error, reason}`.

  require Pipeline.Hook.Circuit.PermitCache

  alias Pipeline.Hook.{Chain, Failure, Registration}
  alias Pipeline.{Native, Telemetry}
  alias Pipeline.Native.Breaker
  alias Pipeline.Hook.Circuit.{PermitCache, Settings}

  @enforce_keys [:settings, :library, :breaker, :gate]
  defstruct @enforce_keys

  @typedoc "The library is the one whose breaker it is."
  @type t :: %__MODULE__{settings: Settings.t(), library: module, breaker: reference, gate: PermitCache.t()}

  @type permit :: non_neg_integer | {:trial, non_neg_integer}

  @spec new(Settings.t(), Registration.call()) :: t
  def new(settings, call) do
    library = library(call)
    {:ok, breaker} = Breaker.new(library, settings)
    %__MODULE__{settings: settings, library: library, breaker: breaker, gate: PermitCache.new()}
  end

  defp library(%Native.Hook{library: library}), do: library
  defp library(fun) when is_function(fun), do: Native

  @doc "The function of a hook, behind its breaker."
  @spec wrap(Registration.t(), function, atom | nil) :: function
  def wrap(%Registration{circuit: %{gate: gate}} = entry, fun, instance) do
    fn context, next ->
      case PermitCache.read(gate) do
        word when word >= 0 ->
          try do
            fun.(context, next)
          catch
            kind, reason -> failed(entry, PermitCache.permit(word), kind, reason, __STACKTRACE__, instance)
          end

        word ->
          case ask(entry, word, instance) do
            :refused -> refuse(entry, context, next)
            permit -> watch(entry, permit, fn -> fun.(context, next) end, instance)
          end
      end
    end
  end

  @doc "Asks whether a hook may be called."
  @spec admit(Registration.t(), atom | nil) :: permit | :refused
  def admit(%Registration{circuit: %{gate: gate}} = entry, instance) do
    case PermitCache.read(gate) do
      word when word >= 0 -> PermitCache.permit(word)
      word -> ask(entry, word, instance)
    end
  end

  @doc "Makes a call that was admitted, and tells the breaker how it ended."
  @spec watch(Registration.t(), permit, (() -> term), atom | nil) :: term
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
  @spec reset(Registration.t(), atom | nil) :: :ok
  def reset(%Registration{circuit: %{library: library, breaker: breaker, gate: gate}} = entry, instance) do
    tell(entry, PermitCache.moving(gate, fn -> Breaker.reset(library, breaker) end), instance)
  end

  @doc "Emits the event `:hook_circuit` if the circuit of a hook has changed."
  @spec tell(Registration.t(), Breaker.transition() | nil, atom | nil) :: :ok
  def tell(_entry, nil, _instance), do: :ok
  def tell(_entry, _transition, nil), do: :ok
  def tell(entry, transition, instance), do: tell(entry, transition, read(entry.circuit).opened, instance)

  @doc "The same for a change after which it had opened so often."
  @spec tell(Registration.t(), Breaker.transition(), non_neg_integer, atom | nil) :: :ok
  def tell(_entry, _transition, _opened, nil), do: :ok

  def tell(entry, {from, to, reason}, opened, instance) do
    told = %{
      plugin: entry.plugin,
      point: entry.point,
      kind: entry.kind,
      from: from,
      to: to,
      reason: reason,
      opened: opened
    }

    Telemetry.emit([:circuit, to], fn ->
      {%{count: 1, opened: opened}, told |> Map.delete(:opened) |> Map.put(:instance, instance)}
    end)

    Pipeline.Events.emit({:plugin, :hook_circuit}, told, instance: instance)
  end

  @doc "What `Pipeline.Hook.stats/2` shows of it."
  @spec read(t) :: map
  def read(%__MODULE__{library: library, breaker: breaker}) do
    {state, failures, opened, refused} = Breaker.counts(library, breaker)
    %{state: state, failures: failures, opened: opened, refused: refused}
  end

  @doc "Tells whoever observes the run of a hook that is left out."
  @spec left_out(Registration.t()) :: term
  def left_out(%Registration{observer: nil}), do: :ok
  def left_out(%Registration{observer: observer} = entry), do: observer.(Failure.circuit_error(entry))

  @spec refuse(Registration.t(), term, Chain.step()) :: term
  defp refuse(%Registration{on_error: :skip} = entry, context, next) do
    left_out(entry)
    next.(context)
  end

  defp refuse(entry, _context, _next), do: Failure.circuit_open(entry)

  defp ask(%Registration{circuit: %{library: library, breaker: breaker, gate: gate}} = entry, word, instance) do
    case Breaker.admit(library, breaker) do
      permit when is_integer(permit) ->
        PermitCache.closed(gate, word, permit)
        permit

      {:trial, permit, transition} ->
        tell(entry, transition, instance)
        {:trial, permit}

      :refused ->
        :refused
    end
  end

  defp failed(entry, permit, kind, reason, stacktrace, instance) do
    cond do
      Failure.owner(kind, reason, stacktrace) != nil -> passed(entry, permit, instance)
      match?({:throw, {:hook_error, _}}, {kind, reason}) -> passed(entry, permit, instance)
      true -> tell(entry, move(entry.circuit, number(permit)), instance)
    end

    :erlang.raise(kind, reason, stacktrace)
  end

  defp move(%{library: library, breaker: breaker, gate: gate}, permit) do
    PermitCache.moving(gate, fn -> Breaker.failed(library, breaker, permit) end)
  end

  defp passed(
         %Registration{circuit: %{library: library, breaker: breaker}} = entry,
         {:trial, permit},
         instance
       ) do
    tell(entry, Breaker.passed(library, breaker, permit), instance)
  end

  defp passed(_entry, _permit, _instance), do: :ok

  defp number({:trial, permit}), do: permit
  defp number(permit), do: permit
end
