defmodule Pipeline.Hook.Budget do
  @moduledoc false
  # How long fused native hooks may occupy a normal scheduler, in microseconds. A segment has the budget of
  # its instance, by default that of `config :pipeline_plugin, hook_budget: 500`.

  alias Pipeline.Instance

  @behaviour Instance.Published

  # A week. In nanoseconds it can still be added to without an overflow.
  @longest 604_800_000_000

  @type t :: pos_integer | :infinity

  @doc "Checks a budget; `nil` stands for none."
  @spec check!(term) :: t | nil
  def check!(nil), do: nil
  def check!(:infinity), do: :infinity
  def check!(micros) when is_integer(micros) and micros in 1..@longest, do: micros

  def check!(other) do
    raise ArgumentError,
          "hook_budget: takes microseconds, an integer from 1 to #{@longest}, or :infinity, got: #{inspect(other)}"
  end

  @doc "Gives an instance a budget of its own."
  @impl true
  def value(_instance, budget), do: budget

  @doc "The budget of an instance; that of the application for `nil`."
  @spec of(atom | nil) :: t
  def of(instance), do: Instance.Published.get(instance, __MODULE__) || default()

  @doc "The budget of the application."
  @spec default() :: t
  def default,
    do:
      check!(Application.get_env(:pipeline_plugin, :hook_budget)) || Pipeline.Native.Segment.default_budget()
end
