defmodule Pipeline.Hook.Policy.Circuit.Breaker do
  @moduledoc false
  # The breaker of a hook, in the native library that the hook belongs to, with the cache of its permits.

  alias Pipeline.Hook.Policy.Circuit.{PermitCache, Settings}
  alias Pipeline.Native

  @enforce_keys [:settings, :library, :breaker, :permits]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          settings: Settings.t(),
          library: module,
          breaker: reference,
          permits: PermitCache.t()
        }

  @type transition :: Native.Breaker.transition()
  @type permit :: non_neg_integer | {:trial, non_neg_integer, transition | nil}

  @spec new(Settings.t(), function | Native.Hook.t()) :: t
  def new(settings, call) do
    library = with %Native.Hook{library: library} <- call, do: library, else: (_fun -> Native)
    {:ok, breaker} = Native.Breaker.new(library, settings)
    %__MODULE__{settings: settings, library: library, breaker: breaker, permits: PermitCache.new()}
  end

  @doc "Asks the breaker, after this version of the cache was read."
  @spec admit(t, PermitCache.version()) :: permit | :refused
  def admit(%__MODULE__{} = breaker, version) do
    permit = Native.Breaker.admit(breaker.library, breaker.breaker)
    if is_integer(permit), do: PermitCache.store(breaker.permits, version, permit)
    permit
  end

  @doc "Tells the breaker of a call that passed. Only trials count."
  @spec passed(t, permit) :: transition | nil
  def passed(breaker, {:trial, permit, _}),
    do: Native.Breaker.passed(breaker.library, breaker.breaker, permit)

  def passed(_breaker, _permit), do: nil

  @spec failed(t, permit) :: transition | nil
  def failed(breaker, {:trial, permit, _}), do: failed(breaker, permit)

  def failed(breaker, permit) do
    PermitCache.around_change(breaker.permits, fn ->
      Native.Breaker.failed(breaker.library, breaker.breaker, permit)
    end)
  end

  @spec reset(t) :: transition | nil
  def reset(breaker) do
    PermitCache.around_change(breaker.permits, fn ->
      Native.Breaker.reset(breaker.library, breaker.breaker)
    end)
  end

  @doc "The breaker as `Pipeline.Hook.stats/2` shows it."
  @spec read(t) :: map
  def read(%__MODULE__{} = breaker) do
    {state, failures, opened, refused} = Native.Breaker.counts(breaker.library, breaker.breaker)
    %{state: state, failures: failures, opened: opened, refused: refused}
  end
end
