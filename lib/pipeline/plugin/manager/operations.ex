defmodule Pipeline.Plugin.Manager.Operations do
  @moduledoc false
  # The operations of a manager: those under way, and those that wait for locks, first come, first served. An operation
  # that needs nothing of the others does not wait for them.

  alias Pipeline.Plugin
  alias Pipeline.Plugin.Manager.{Locks, Operation, State}

  @enforce_keys [:next]
  defstruct [:next, locks: Locks.new(), waiting: [], running: %{}, groups: %{}]

  @typedoc """
  An operation and those that follow from it. The callers get the answer of the first when all are over.
  """
  @type group :: %{callers: [GenServer.from()], answer: {:ok, term} | nil, open: non_neg_integer}

  @type group_id :: reference | :start

  @type t :: %__MODULE__{
          # What can begin since something has started.
          next: (State.t() -> {[Operation.t()], State.t()}),
          locks: Locks.t(),
          # In the order in which they came.
          waiting: [{Operation.t(), group_id}],
          running: %{reference => {Locks.wanted(), group_id}},
          groups: %{group_id => group}
        }

  @doc "Begins operations as soon as their locks are free. The caller, if there is one, gets the answer of the first."
  @spec start(State.t(), [Operation.t()], GenServer.from() | nil, group_id) :: State.t()
  def start(state, operations, from, group \\ make_ref()) do
    # It stays open until all have been entered.
    new = %{callers: List.wrap(from), answer: nil, open: 1}
    state = update(state, &put_in(&1.groups[group], new))
    operations |> Enum.reduce(state, &enter(&2, &1, group)) |> leave(group)
  end

  @doc "Has a caller wait for the end of a group. `:over` if there is none."
  @spec join(State.t(), group_id, GenServer.from()) :: {:ok, State.t()} | :over
  def join(%State{operations: %{groups: groups}} = state, group, from) do
    if is_map_key(groups, group),
      do: {:ok, update(state, &update_in(&1.groups[group].callers, fn callers -> [from | callers] end))},
      else: :over
  end

  @doc "Whether an operation under way changes this plugin."
  @spec busy?(State.t(), Plugin.plugin_id()) :: boolean
  def busy?(%State{operations: %{locks: locks}}, id), do: Locks.written?(locks, id)

  @doc "For the message of a task that has ended."
  @spec ended(State.t(), reference, Operation.outcome()) :: State.t()
  # Said by nobody that knows of one.
  def ended(%State{operations: %{running: running}} = state, reference, _outcome)
      when not is_map_key(running, reference),
      do: state

  def ended(%State{operations: operations} = state, reference, outcome) do
    {{taken, group}, running} = Map.pop!(operations.running, reference)
    locks = Locks.release(operations.locks, taken)
    state = %{state | prepared: Map.delete(state.prepared, reference)}

    %{state | operations: %{operations | running: running, locks: locks}}
    |> close(group, outcome)
    |> advance()
  end

  defp enter(%State{operations: operations} = state, operation, group) do
    state = update(state, &update_in(&1.groups[group].open, fn open -> open + 1 end))
    {wanted, begin} = operation.(state)

    if Locks.free?(operations.locks, wanted) and Locks.free?(ahead(operations.waiting, state), wanted),
      do: begin(state, begin, wanted, group),
      else: wait(state, operation, group)
  end

  # An operation does not overtake another with which it shares a lock.
  defp ahead(waiting, state) do
    Enum.reduce(waiting, Locks.new(), fn {operation, _group}, ahead ->
      {wanted, _begin} = operation.(state)
      Locks.take(ahead, wanted)
    end)
  end

  defp wait(state, operation, group) do
    update(state, &%{&1 | waiting: &1.waiting ++ [{operation, group}]})
  end

  defp advance(%State{operations: %{waiting: []}} = state), do: state

  defp advance(%State{operations: %{waiting: waiting}} = state) do
    {state, _ahead} =
      Enum.reduce(waiting, {update(state, &%{&1 | waiting: []}), Locks.new()}, fn {operation, group},
                                                                                  {state, ahead} ->
        {wanted, begin} = operation.(state)

        if Locks.free?(state.operations.locks, wanted) and Locks.free?(ahead, wanted),
          do: {begin(state, begin, wanted, group), ahead},
          else: {wait(state, operation, group), Locks.take(ahead, wanted)}
      end)

    state
  end

  defp begin(state, begin, wanted, group) do
    case begin.(state) do
      {:done, outcome, state} ->
        close(state, group, outcome)

      {:run, task, state} ->
        reference = make_ref()

        :ok =
          Operation.start(task, %{
            manager: self(),
            reference: reference,
            instance: state.instance,
            spec: state.spec
          })

        update(state, fn operations ->
          running = Map.put(operations.running, reference, {wanted, group})
          %{operations | running: running, locks: Locks.take(operations.locks, wanted)}
        end)
    end
  end

  # An operation of a group is over. Those that follow from it join the group, as do plugins that were waiting for one
  # that it has started.
  defp close(state, group, {answer, follow_ups}) do
    {released, state} = state.operations.next.(state)

    state
    |> update(&update_in(&1.groups[group].answer, fn first -> first || {:ok, answer} end))
    |> then(
      &Enum.reduce(follow_ups ++ released, &1, fn operation, state -> enter(state, operation, group) end)
    )
    |> leave(group)
  end

  defp leave(state, group) do
    case state.operations.groups[group] do
      %{open: 1, callers: callers, answer: answer} ->
        with {:ok, answer} <- answer, do: Enum.each(callers, &GenServer.reply(&1, answer))
        update(state, &%{&1 | groups: Map.delete(&1.groups, group)})

      %{open: open} ->
        update(state, &put_in(&1.groups[group].open, open - 1))
    end
  end

  defp update(%State{operations: operations} = state, fun), do: %{state | operations: fun.(operations)}
end
