defmodule Pipeline.Native.Breaker do
  @moduledoc false
  # The NIFs of `native/pipeline_term/src/circuit/nifs.rs`: the circuit breaker of a hook. A breaker belongs
  # to the library that made it, and only that library can be asked about it.

  @typedoc "A change of state, and its cause."
  @type transition ::
          {from :: atom, to :: atom, :failures | :cool_down | :trial_failed | :trials_passed | :reset}

  @doc "A closed breaker. Times are in milliseconds."
  @spec new(module, %{
          failures: pos_integer,
          window: pos_integer,
          cool_down: pos_integer,
          trials: pos_integer
        }) ::
          {:ok, reference} | {:error, String.t()}
  def new(library, settings) do
    library.breaker_new(settings.failures, settings.window, settings.cool_down, settings.trials)
  end

  @doc "Asks to call the hook: a permit while the breaker is closed, a trial permit, or none."
  @spec admit(module, reference) ::
          (permit :: non_neg_integer) | {:trial, permit :: non_neg_integer, transition | nil} | :refused
  def admit(library, breaker), do: library.breaker_admit(breaker)

  @spec failed(module, reference, non_neg_integer) :: transition | nil
  def failed(library, breaker, permit), do: library.breaker_failed(breaker, permit)

  @doc "Reports a trial that passed. Other calls that pass need no report."
  @spec passed(module, reference, non_neg_integer) :: transition | nil
  def passed(library, breaker, permit), do: library.breaker_passed(breaker, permit)

  @spec reset(module, reference) :: transition | nil
  def reset(library, breaker), do: library.breaker_reset(breaker)

  @spec counts(module, reference) ::
          {state :: atom, failures :: non_neg_integer, opened :: non_neg_integer, refused :: non_neg_integer}
  def counts(library, breaker), do: library.breaker_counts(breaker)
end
