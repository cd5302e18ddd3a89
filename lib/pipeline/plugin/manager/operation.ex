defmodule Pipeline.Plugin.Manager.Operation do
  @moduledoc false
  # A change of plugins: loading, stopping, restarting, upgrading, and what follows from a crash.
  #
  # The manager waits for nothing. It begins an operation once its locks are free (`Pipeline.Plugin.Manager.Operations`).
  # All that runs code of a plugin, or waits, is done in a task. The task changes plugins and chains by steps, which the
  # manager takes for it one at a time. It is linked to the manager, so neither outlives the other.

  alias Pipeline.Hook.Drain
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Manager.{Locks, State}

  @typedoc """
  A function of the manager's state. It returns the locks that the operation needs, and how it begins. It is called anew
  each time the manager looks whether the locks are free, and changes nothing.
  """
  @type t :: (State.t() -> {Locks.wanted(), begin})

  @typedoc "The first step, taken as soon as the locks are free. Without a task the operation is over with it."
  @type begin :: (State.t() -> {:done, outcome, State.t()} | {:run, task, State.t()})

  @typedoc "Runs in the task. It must not close over the state, which would be copied."
  @type task :: (context -> outcome)

  @typedoc "The answer for the caller, who gets it when the operations that follow are over too."
  @type outcome :: {answer :: term, [t]}

  @type context :: %{manager: pid, reference: reference, instance: term, spec: module | nil}

  @doc "Starts the task of an operation. It sends `{:operation, reference, outcome}` to the manager at its end."
  @spec start(task, context) :: :ok
  def start(task, %{instance: instance} = context) do
    {:ok, _pid} =
      Task.Supervisor.start_child(Names.via(instance, :operations), __MODULE__, :run, [{task, context}])

    :ok
  end

  @doc false
  @spec run({task, context}) :: term
  def run({task, %{manager: manager, reference: reference, instance: instance} = context}) do
    # From here on a crash of one is a crash of both, and the next manager cleans up.
    Process.link(manager)
    :ok = Names.label(instance, :operation)
    send(manager, {:operation, reference, task.(context)})
  end

  @doc "Called in a task: has the manager take a step."
  @spec step(context, (State.t() -> {result, State.t()})) :: result when result: term
  def step(%{manager: manager}, fun), do: GenServer.call(manager, {:step, fun}, :infinity)

  @doc """
  Called in a task: waits for the runs on some chains, but not for those of one process.

  The processes of operations know these chains too, and are in no run.
  """
  @spec await_runs(context, [Drain.t()], timeout :: non_neg_integer, pid) :: :ok | {:still_running, [pid]}
  def await_runs(_context, [], _timeout, _but), do: :ok

  def await_runs(%{manager: manager, instance: instance}, drains, timeout, but) do
    tasks = Task.Supervisor.children(Names.via(instance, :operations))
    Drain.await(drains, timeout, but: [but], outside: [manager | tasks])
  end

  @doc "Called by a manager before it begins: ends the tasks that one before it has left."
  @spec end_all(term) :: :ok
  def end_all(instance) do
    supervisor = Names.via(instance, :operations)
    for pid <- Task.Supervisor.children(supervisor), do: Task.Supervisor.terminate_child(supervisor, pid)
    :ok
  end
end
