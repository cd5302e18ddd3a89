defmodule Pipeline.FaultInjection.Guards do
  @moduledoc """
  What a closed point must answer at every moment: no run passes without a hook of each plugin that is loaded and that no
  operator has disabled, or is about to.
  """

  alias Pipeline.FaultInjection.{Model, Plugins}
  alias Pipeline.Hook

  defmodule Hooks do
    @moduledoc "The hook points of the instance."
    use Pipeline.Hook.Spec

    hookpoint :step
    hookpoint :other
    hookpoint :guarded, kinds: [:before], fail: :closed
  end

  @changed 1

  @typedoc "How often it was changed, and for each plugin whether its hook may be missing."
  @type t :: :atomics.atomics_ref()

  @spec new() :: t
  def new do
    guards = :atomics.new(1 + length(Plugins.ids()), [])
    settled(guards, %{})
    guards
  end

  @doc "An operation is about to begin, by which an operator may take hooks away."
  @spec begin(t, Model.operation() | nil) :: :ok
  def begin(_guards, nil), do: :ok
  def begin(guards, {:cascade, _id}), do: change(guards, fn _id, _missing -> 1 end)

  def begin(guards, operation) when elem(operation, 0) in [:unload, :disable] do
    changing = elem(operation, 1)
    change(guards, fn id, missing -> if id == changing, do: 1, else: missing end)
  end

  def begin(_guards, _operation), do: :ok

  @doc "All is at rest, as a model says."
  @spec settled(t, Model.t()) :: :ok
  def settled(guards, model) do
    change(guards, fn id, _missing ->
      case model do
        %{^id => {state, _, _}} when state != :stopped -> 0
        _ -> 1
      end
    end)
  end

  # A run that began before the change says nothing of what holds after it.
  defp change(guards, fun) do
    :atomics.add(guards, @changed, 1)
    for {id, index} <- indexed(), do: :atomics.put(guards, index, fun.(id, :atomics.get(guards, index)))
    :atomics.add(guards, @changed, 1)
  end

  defp indexed, do: Enum.with_index(Plugins.ids(), 2)

  @doc "Runs the point, and ends this process if the run passed without a hook that must be there."
  @spec run(t, atom) :: :ok
  def run(guards, instance) do
    before = :atomics.get(guards, @changed)
    required = for {id, index} <- indexed(), :atomics.get(guards, index) == 0, do: id

    with {:ok, passed} <- Hook.run(instance, :guarded, [], nil),
         [_ | _] = missing <- required -- passed,
         ^before when rem(before, 2) == 0 <- :atomics.get(guards, @changed) do
      exit({:unguarded, missing, passed})
    else
      _ -> :ok
    end
  end

  @doc "What a run of the point returns while all is at rest."
  @spec answer(Model.t()) :: {:ok, [Plugins.id()]} | {:down, Plugins.id(), atom}
  def answer(model) do
    case for {id, {state, _, _}} <- model, state in [:failed, :held, :waiting], do: {id, Model.display(state)} do
      [] -> {:ok, Enum.sort(Model.running(model))}
      down -> Tuple.insert_at(Enum.min(down), 0, :down)
    end
  end
end
