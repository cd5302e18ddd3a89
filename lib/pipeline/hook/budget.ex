defmodule Pipeline.Hook.Budget do
  @moduledoc false
  # How long a run of fused native hooks may keep a normal scheduler, in microseconds. Read when a segment is built:
  # that of the instance, or that of `config :pipeline_plugin, hook_budget: 500`.

  @behaviour Pipeline.Instance.Published

  # A week; in nanoseconds it has room to be added to.
  @longest 604_800_000_000

  @type t :: pos_integer | :infinity

  @doc "A budget, or an error that says what one is; `nil` stands for none given."
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
  def open(instance, nil), do: close(instance)
  def open(instance, budget), do: :persistent_term.put({__MODULE__, instance}, budget)

  @impl true
  def close(instance) do
    :persistent_term.erase({__MODULE__, instance})
    :ok
  end

  @doc "The budget of an instance; that of the application for `nil`."
  @spec of(atom | nil) :: t
  def of(instance), do: :persistent_term.get({__MODULE__, instance}, nil) || default()

  @doc "The budget of the application."
  @spec default() :: t
  def default,
    do:
      check!(Application.get_env(:pipeline_plugin, :hook_budget)) || Pipeline.Native.Segment.default_budget()
end
