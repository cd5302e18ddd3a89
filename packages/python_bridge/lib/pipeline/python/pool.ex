defmodule Pipeline.Python.Pool do
  @moduledoc false
  # Hands calls to workers. It passes requests on as they are, which are encoded, and answers a caller itself only where no
  # worker does: when the call cannot wait, has waited too long, or its worker was killed.
  #
  # A call is answered once. Callers wait with an alias (`GenServer.call/3`), so a second answer is dropped. A call whose
  # worker ended before it had begun goes to another; one that has begun is never tried again.

  use GenServer

  require Logger

  alias Pipeline.Python.{Error, Interpreter, Job, Names, Worker}

  defstruct [
    :settings,
    :workers_supervisor,
    # pid => %{slot, monitor, status: :starting | :idle | :busy, job: Job.t | nil, served?, waiting: queue of job ids}
    workers: %{},
    # Free workers, the last used first.
    idle: [],
    # slot => how often its worker has ended before it had answered a call
    failures: %{},
    # Jobs that wait: id => {job, timer, monitor of the caller}, and their order. Ids of jobs that are gone stay in it.
    jobs: %{},
    queue: :queue.new(),
    last_id: 0,
    # Why no worker starts.
    problem: nil,
    awaiting: [],
    counts: %{calls: 0, replaced: 0}
  ]

  @doc "Starts it under these names of `Pipeline.Python.Names`, which have the setting `max_bytes` as their value."
  @spec start_link({map, GenServer.server(), [term]}) :: GenServer.on_start()
  def start_link({settings, workers_supervisor, names}),
    do: GenServer.start_link(__MODULE__, {settings, workers_supervisor, names})

  @doc "Runs a job, and returns what the worker answers."
  @spec run(pid, Job.t()) :: term
  def run(pool, job) do
    GenServer.call(pool, {:run, job}, :infinity)
  catch
    :exit, _reason -> {:error, Error.new(:not_running, "the pool of Python workers has ended meanwhile")}
  end

  @doc "Waits until a worker can take calls, or none can be started."
  @spec await_ready(pid) :: :ok | {:error, Error.t()}
  def await_ready(pool), do: GenServer.call(pool, :await_ready, :infinity)

  @doc "See `Pipeline.Python.info/1`."
  @spec info(pid) :: map
  def info(pool), do: GenServer.call(pool, :info)

  @impl GenServer
  def init({settings, workers_supervisor, names}) do
    with :ok <- register(names, settings.max_bytes) do
      {:ok, %__MODULE__{settings: settings, workers_supervisor: workers_supervisor}, {:continue, :start}}
    end
  end

  defp register(names, value) do
    Enum.find_value(names, :ok, fn name ->
      with {:error, {:already_registered, pid}} <- Registry.register(Names, name, value),
           do: {:stop, {:shutdown, {:already_started, pid}}},
           else: (_ -> nil)
    end)
  end

  @impl GenServer
  def handle_continue(:start, state) do
    {:noreply, Enum.reduce(1..state.settings.workers, state, &start_worker(&2, &1))}
  end

  @impl GenServer
  def handle_call({:run, job}, from, state) do
    id = state.last_id + 1
    job = %{job | id: id, from: from, deadline: Job.deadline(job.timeout)}
    state = %{state | last_id: id, counts: Map.update!(state.counts, :calls, &(&1 + 1))}

    cond do
      job.worker != nil -> {:noreply, run_in(job.worker, job, state)}
      state.idle != [] -> {:noreply, run_in(hd(state.idle), job, state)}
      state.problem != nil and state.workers == %{} -> {:reply, {:error, not_running(state)}, state}
      true -> {:noreply, enqueue(job, state)}
    end
  end

  def handle_call(:await_ready, from, state) do
    cond do
      Enum.any?(state.workers, fn {_pid, worker} -> worker.status != :starting end) -> {:reply, :ok, state}
      state.problem != nil and state.workers == %{} -> {:reply, {:error, not_running(state)}, state}
      true -> {:noreply, %{state | awaiting: [from | state.awaiting]}}
    end
  end

  def handle_call(:info, _from, state) do
    by_status = Enum.frequencies_by(state.workers, fn {_pid, worker} -> worker.status end)
    counts = Map.merge(%{starting: 0, idle: 0, busy: 0}, by_status)

    {:reply,
     Map.merge(state.counts, %{workers: counts, waiting: map_size(state.jobs), problem: state.problem}),
     state}
  end

  @impl GenServer
  def handle_info({:ready, pid}, state) when is_map_key(state.workers, pid) do
    for from <- state.awaiting, do: GenServer.reply(from, :ok)
    {:noreply, free(pid, %{state | awaiting: [], problem: nil})}
  end

  def handle_info({:idle, pid, id}, state) do
    case state.workers do
      %{^pid => %{job: %{id: ^id}} = worker} ->
        failures = Map.delete(state.failures, worker.slot)
        state = put_in(state.workers[pid], %{worker | served?: true})
        {:noreply, free(pid, %{state | failures: failures})}

      _ ->
        {:noreply, state}
    end
  end

  # Its worker is about to end, and has answered it.
  def handle_info({:failed, pid, id}, state) do
    case state.workers do
      %{^pid => %{job: %{id: ^id}}} -> {:noreply, put_in(state.workers[pid].job, nil)}
      _ -> {:noreply, state}
    end
  end

  # Its worker is about to end, and did not begin it.
  def handle_info({:not_begun, pid, id}, state) do
    case state.workers do
      %{^pid => %{job: %{id: ^id} = job} = worker} ->
        state = put_in(state.workers[pid], %{worker | job: nil})
        {:noreply, not_begun(job, state)}

      _ ->
        {:noreply, state}
    end
  end

  def handle_info({:DOWN, _monitor, :process, pid, reason}, state) when is_map_key(state.workers, pid),
    do: {:noreply, worker_down(pid, reason, state)}

  # A caller that waited.
  def handle_info({:DOWN, monitor, :process, _caller, _reason}, state) do
    case Enum.find(state.jobs, &match?({_id, {_job, _timer, ^monitor}}, &1)) do
      {id, _entry} -> {:noreply, elem(dequeue(id, state), 1)}
      nil -> {:noreply, state}
    end
  end

  def handle_info({:queue_timeout, id}, state) do
    case dequeue(id, state) do
      {nil, state} ->
        {:noreply, state}

      {job, state} ->
        message =
          "no Python worker was free within #{job.timeout} ms (timeout:); set more workers:, or call less"

        GenServer.reply(job.from, {:error, Error.new(:timeout, message)})
        {:noreply, state}
    end
  end

  def handle_info({:start, slot}, state), do: {:noreply, start_worker(state, slot)}
  def handle_info(_message, state), do: {:noreply, state}

  # Workers

  defp start_worker(state, slot) do
    with {:ok, python} <- Interpreter.find(state.settings.python_path),
         child = {Worker, {self(), python, state.settings}},
         {:ok, pid} <- DynamicSupervisor.start_child(state.workers_supervisor, child) do
      worker = %{
        slot: slot,
        monitor: Process.monitor(pid),
        status: :starting,
        job: nil,
        served?: false,
        waiting: :queue.new()
      }

      put_in(state.workers[pid], worker)
    else
      {:error, {:shutdown, {:start_failed, sentence}}} -> start_failed(state, slot, sentence)
      {:error, sentence} when is_binary(sentence) -> start_failed(state, slot, sentence)
      {:error, reason} -> start_failed(state, slot, Exception.format_exit(reason))
    end
  end

  defp start_failed(state, slot, sentence) do
    state = retry(%{state | problem: sentence}, slot, "does not start: " <> sentence)
    if state.workers == %{}, do: refuse_all(state), else: state
  end

  defp worker_down(pid, reason, state) do
    {worker, workers} = Map.pop!(state.workers, pid)
    state = %{state | workers: workers, idle: List.delete(state.idle, pid)}
    state = update_in(state.counts.replaced, &(&1 + 1))

    state = settle(worker.job, reason, state)
    state = Enum.reduce(:queue.to_list(worker.waiting), state, &gone(&1, &2))

    case reason do
      {:shutdown, {:start_failed, sentence}} ->
        start_failed(state, worker.slot, sentence)

      # Out of memory, it has answered its call.
      _ when worker.served? or reason == {:shutdown, :out_of_memory} ->
        start_worker(state, worker.slot)

      _ ->
        retry(state, worker.slot, "ended before it had answered a call" <> why(reason))
    end
  end

  defp why({:shutdown, {:exit, status}}) when is_integer(status), do: " (status #{status})"
  defp why({:shutdown, reason}) when is_atom(reason), do: " (#{reason})"
  defp why(_killed), do: ""

  # The job of a worker that said nothing of it.
  defp settle(nil, _reason, state), do: state
  # It had ended before the job arrived.
  defp settle(job, {:shutdown, _}, state), do: not_begun(job, state)

  defp settle(job, _killed, state) do
    GenServer.reply(job.from, {:error, killed()})
    state
  end

  defp not_begun(job, state), do: if(job.worker, do: gone(job, state), else: again(job, state))

  defp retry(state, slot, what) do
    failures = Map.get(state.failures, slot, 0)
    %{min: min, max: max} = Map.merge(%{min: 200, max: 30_000}, state.settings.backoff)

    # At once the first time, unless Python did not start at all. Beyond so many doublings every pause is the longest.
    doublings = if state.problem, do: failures, else: failures - 1
    pause = if doublings < 0, do: 0, else: min(max, min * Integer.pow(2, min(doublings, 30)))
    Logger.warning("a Python worker #{what}; the next try is in #{pause} ms", plugin: :python_bridge)
    Process.send_after(self(), {:start, slot}, pause)
    %{state | failures: Map.put(state.failures, slot, failures + 1)}
  end

  defp refuse_all(state) do
    for from <- state.awaiting, do: GenServer.reply(from, {:error, not_running(state)})

    Enum.reduce(Map.keys(state.jobs), %{state | awaiting: []}, fn id, state ->
      {job, state} = dequeue(id, state)
      GenServer.reply(job.from, {:error, not_running(state)})
      state
    end)
  end

  # Jobs

  defp run_in(pid, job, state) do
    case state.workers do
      %{^pid => %{status: :idle} = worker} ->
        Worker.run(pid, job)
        workers = Map.put(state.workers, pid, %{worker | status: :busy, job: job})
        %{state | workers: workers, idle: List.delete(state.idle, pid)}

      %{^pid => _busy} ->
        enqueue(job, state)

      _ ->
        gone(job, state)
    end
  end

  defp enqueue(job, state) do
    if map_size(state.jobs) < state.settings.max_queue do
      wait(job, state, &:queue.in/2)
    else
      GenServer.reply(job.from, {:error, overloaded(state)})
      state
    end
  end

  # Before all that came after it.
  defp again(job, state) do
    case state.idle do
      [pid | _] -> run_in(pid, job, state)
      [] -> wait(job, state, &:queue.in_r/2)
    end
  end

  defp wait(%{id: id} = job, state, put) do
    timer = Job.start_timer(job.deadline, {:queue_timeout, id})
    state = put_in(state.jobs[id], {job, timer, Process.monitor(Job.caller(job))})

    if job.worker,
      do: update_in(state.workers[job.worker].waiting, &put.(id, &1)),
      else: %{state | queue: put.(id, state.queue)}
  end

  defp dequeue(id, state) do
    case Map.pop(state.jobs, id) do
      {nil, _jobs} ->
        {nil, state}

      {{job, timer, monitor}, jobs} ->
        Job.cancel_timer(timer)
        Process.demonitor(monitor, [:flush])
        # When nobody waits, the queue has ids only of those that have given up.
        queue = if jobs == %{}, do: :queue.new(), else: state.queue
        {job, %{state | jobs: jobs, queue: queue}}
    end
  end

  # A worker is free: those that wait for this one come first, since no other can serve them.
  defp free(pid, state) do
    worker = %{Map.fetch!(state.workers, pid) | status: :idle, job: nil}
    state = put_in(state.workers[pid], worker)
    state = %{state | idle: [pid | state.idle]}

    with {:none, state} <- take(state, worker.waiting, &put_in(&1.workers[pid].waiting, &2)),
         {:none, state} <- take(state, state.queue, &%{&1 | queue: &2}) do
      state
    else
      {job, state} -> run_in(pid, job, state)
    end
  end

  defp take(state, queue, put) do
    case :queue.out(queue) do
      {:empty, _queue} ->
        {:none, put.(state, queue)}

      {{:value, id}, queue} ->
        case dequeue(id, state) do
          {nil, state} -> take(state, queue, put)
          {job, state} -> {job, put.(state, queue)}
        end
    end
  end

  defp gone(id, state) when is_integer(id) do
    case dequeue(id, state) do
      {nil, state} -> state
      {job, state} -> gone(job, state)
    end
  end

  defp gone(job, state) do
    message = "the worker of an object among the arguments has ended, and the object with it; make it again"
    GenServer.reply(job.from, {:error, Error.new(:object_gone, message)})
    state
  end

  # Errors

  defp killed, do: Error.new(:worker_exit, "the Python worker was killed during the call, and is replaced")

  defp overloaded(state) do
    Error.new(
      :overloaded,
      "#{state.settings.max_queue} calls wait for a Python worker already (max_queue); call again later"
    )
  end

  defp not_running(state), do: Error.new(:not_running, "Python does not start: #{state.problem}")
end
