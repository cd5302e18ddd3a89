defmodule Pipeline.Plugin.Manager.Upgrade.Part do
  @moduledoc false
  # A plugin that is upgraded, in its instance, and what has become of it so far.

  alias Pipeline.Plugin.Lifecycle
  alias Pipeline.Plugin.Manager.{Candidate, CodeUsers, Hooks, Operation, State}

  @enforce_keys [:context, :old]
  defstruct [:context, :old, :joined, :process, :candidate, :hooks]

  @type t :: %__MODULE__{
          context: Operation.context(),
          # As it was.
          old: Lifecycle.info(),
          # The task of its manager that waits for the end, where another leads.
          joined: {pid, reference} | nil,
          # It waits for the version to be.
          process: {pid, upgrade :: reference} | nil,
          candidate: Candidate.t() | nil,
          hooks: Hooks.hooks() | nil
        }

  @spec user(t) :: CodeUsers.user()
  def user(%__MODULE__{context: %{instance: instance}, old: %{id: id}}), do: {instance, id}

  @doc "Has its manager take a step. The manager of another instance may have ended."
  @spec step(t, (State.t() -> {result, State.t()})) :: result | {:error, {:instance_ended, term}}
        when result: term
  def step(%__MODULE__{context: context, joined: nil}, fun), do: Operation.step(context, fun)

  def step(%__MODULE__{context: context}, fun) do
    Operation.step(context, fun)
  catch
    :exit, _reason -> {:error, {:instance_ended, context.instance}}
  end
end
