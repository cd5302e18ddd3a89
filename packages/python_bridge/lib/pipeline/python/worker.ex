defmodule Pipeline.Python.Worker do
  @moduledoc false
  # One Python, as a port, and the call that runs in it.
  #
  # Frames are a kind of one byte, a number and a body; priv/python/pipeline_bridge/worker.py is the other side. The
  # worker reads no terms: the caller encodes and decodes. It answers the caller itself, and tells the pool when it is
  # free again. A call that is cancelled, because it took too long or its caller has gone, is answered by Python with a
  # frame of the kind K; until then nothing else runs in this Python, and if K does not come in time it is killed.

  use GenServer, restart: :temporary, shutdown: 10_000

  require Logger

  alias Pipeline.Python.{Error, Job, Output, Reaper}

  # Milliseconds: for an idle Python to end by itself, for a killed one to be gone, for its last words.
  @quit 1_000
  @reaped 5_000
  @last_words 1_000

  defstruct [
    :pool,
    :settings,
    :python,
    :port,
    :os_pid,
    :output,
    :output_settings,
    # :starting, :idle, :busy, :cancelling; :ended once Python has ended, and :ending when it is about to be killed
    phase: :starting,
    job: nil,
    begun: false,
    monitor: nil,
    # That of the start, of the call, of the consumer of a stream, or of a cancelled call.
    timer: nil,
    # Of a stream: items that wait for the consumer, the consumer that waits for an item, and how it has ended.
    items: :queue.new(),
    waiting: nil,
    ended: nil,
    # Objects by their owners, owners of objects, and those to release once Python reads again.
    owned: %{},
    owners: %{},
    releases: []
  ]

  @spec start_link({pid, Path.t(), map}) :: GenServer.on_start()
  def start_link({pool, python, settings}), do: GenServer.start_link(__MODULE__, {pool, python, settings})

  @doc "Has a free worker run a job."
  @spec run(pid, Job.t()) :: :ok
  def run(worker, job), do: GenServer.cast(worker, {:run, job})

  @doc "The next item of a stream."
  @spec next(pid, pos_integer) :: {:item, binary} | :done | {:error, term}
  def next(worker, id) do
    GenServer.call(worker, {:next, id}, :infinity)
  catch
    :exit, _reason -> {:error, ended(nil, [])}
  end

  @doc "Ends a stream."
  @spec halt(pid, pos_integer) :: :ok
  def halt(worker, id), do: GenServer.cast(worker, {:halt, id})

  @doc "Releases an object."
  @spec release(pid, non_neg_integer) :: :ok
  def release(worker, object), do: GenServer.cast(worker, {:release, object})

  @impl GenServer
  def init({pool, python, settings}) do
    Process.flag(:trap_exit, true)
    metadata = [plugin: :python_bridge, python_worker: self()]
    {:ok, output, output_settings} = Output.start_link(level: settings.log_level, metadata: metadata)
    state = %__MODULE__{pool: pool, settings: settings, python: python}
    state = %{state | output: output, output_settings: output_settings}
    port = open_port(python, settings)

    os_pid =
      case Port.info(port, :os_pid) do
        {:os_pid, os_pid} -> os_pid
        nil -> nil
      end

    if os_pid, do: Reaper.watch(os_pid)
    timer = Process.send_after(self(), :start_timeout, settings.start_timeout)
    {:ok, %{state | port: port, os_pid: os_pid, timer: timer}}
  rescue
    error in [ErlangError, ArgumentError] ->
      {:stop, {:shutdown, {:start_failed, "#{python} cannot be run: #{Exception.message(error)}"}}}
  end

  defp open_port(python, settings) do
    folder = Application.app_dir(:python_bridge, "priv/python")
    env = for {name, value} <- settings.env.(), do: {String.to_charlist(name), String.to_charlist(value)}

    Port.open({:spawn_executable, python}, [
      :binary,
      :exit_status,
      :hide,
      {:packet, 4},
      {:args, [folder]},
      {:env, env}
    ])
  end

  # The pool

  @impl GenServer
  def handle_cast({:run, job}, %{phase: :idle} = state) do
    state = flush_releases(state)
    kind = if job.kind == :stream, do: ?S, else: ?C
    state = %{state | phase: :busy, job: job, begun: false, monitor: Process.monitor(Job.caller(job))}
    state = %{state | timer: Job.start_timer(job.deadline, {:call_timeout, job.id})}
    Output.call_begins(state.output)
    command(state, kind, job.id, job.request)
    {:noreply, state}
  end

  # Python has ended just now, and the pool does not know yet.
  def handle_cast({:run, job}, state) do
    send(state.pool, {:not_begun, self(), job.id})
    {:noreply, state}
  end

  def handle_cast({:halt, id}, %{phase: :busy, job: %{id: id}} = state) do
    if state.ended, do: {:noreply, finish(state)}, else: cancel(state)
  end

  def handle_cast({:halt, _id}, state), do: {:noreply, state}
  def handle_cast({:release, object}, state), do: {:noreply, release_object(state, object)}

  # The consumer of a stream

  @impl GenServer
  def handle_call({:next, id}, from, %{phase: :busy, job: %{id: id}, waiting: nil} = state) do
    case :queue.out(state.items) do
      {{:value, item}, items} ->
        {:reply, {:item, item}, credit(%{state | items: items})}

      {:empty, _items} when state.ended != nil ->
        {:reply, state.ended, finish(state)}

      {:empty, _items} ->
        timer = Job.start_timer(Job.deadline(state.job.timeout), {:call_timeout, id})
        {:noreply, %{state | waiting: from, timer: timer}}
    end
  end

  def handle_call({:next, _id}, _from, state) do
    {:reply, {:error, Error.new(:worker_exit, "the stream has ended; start it again")}, state}
  end

  # Python

  @impl GenServer
  def handle_info({port, {:data, <<kind, number::64, body::binary>>}}, %{port: port} = state),
    do: frame(kind, number, body, state)

  def handle_info({port, {:data, _other}}, %{port: port} = state), do: broken(state)

  def handle_info({port, {:exit_status, status}}, %{port: port} = state), do: python_ended(status, state)

  # Without a status: it did not read what was written to it, or has closed its pipe and may run on.
  def handle_info({:EXIT, port, _reason}, %{port: port} = state) do
    if state.os_pid, do: Reaper.kill(state.os_pid)
    python_ended(nil, state)
  end

  def handle_info(:start_timeout, %{phase: :starting} = state) do
    {:stop,
     {:shutdown,
      {:start_failed, "it was not ready after #{state.settings.start_timeout} ms (start_timeout)"}}, state}
  end

  def handle_info({:call_timeout, id}, %{phase: :busy, job: %{id: id}} = state) do
    message = "the call took longer than #{state.job.timeout} ms (timeout:) and was ended"
    state |> answer({:error, Error.new(:timeout, message)}) |> cancel()
  end

  def handle_info({:grace, id}, %{phase: :cancelling, job: %{id: id}} = state) do
    Logger.warning(
      "Python did not end a cancelled call within #{state.settings.grace} ms, so its worker is replaced",
      plugin: :python_bridge
    )

    {:stop, {:shutdown, :killed}, state}
  end

  def handle_info({:DOWN, monitor, :process, _caller, _reason}, %{monitor: monitor, phase: :busy} = state)
      when monitor != nil do
    if state.ended, do: {:noreply, finish(state)}, else: cancel(state)
  end

  def handle_info({:DOWN, _monitor, :process, owner, _reason}, state) do
    case state.owned do
      %{^owner => {_monitor, objects}} ->
        {:noreply, objects |> Map.keys() |> Enum.reduce(state, &release_object(&2, &1))}

      _ ->
        {:noreply, state}
    end
  end

  def handle_info({:EXIT, output, _reason}, %{output: output, phase: phase} = state) when phase != :ended,
    do: {:stop, {:shutdown, :output_ended}, state}

  # Ports of others, late timers.
  def handle_info(_message, state), do: {:noreply, state}

  defp python_ended(status, state) do
    Reaper.done()
    last_words = Output.drain(state.output, @last_words)

    if state.phase == :busy and not state.begun do
      send(state.pool, {:not_begun, self(), state.job.id})
      {:stop, {:shutdown, {:exit, status}}, %{state | phase: :ended, job: nil}}
    else
      reason = reason(state, status, last_words)
      state = fail(state, ended(status, last_words))
      {:stop, {:shutdown, reason}, %{state | phase: :ended}}
    end
  end

  # Frames

  defp frame(?H, _number, _body, %{phase: :starting} = state) do
    settings = Map.take(state.settings, [:max_bytes, :memory, :paths, :preload])
    settings = if settings.memory == :infinity, do: %{settings | memory: nil}, else: settings
    settings = Map.merge(settings, %{output: state.output_settings.name, token: state.output_settings.token})
    paths = Enum.map(settings.paths, &Path.expand/1)
    command(state, ?I, 0, :erlang.term_to_binary(%{settings | paths: paths}, minor_version: 2))
    {:noreply, state}
  end

  defp frame(?Y, _number, _body, %{phase: :starting} = state) do
    Job.cancel_timer(state.timer)
    send(state.pool, {:ready, self()})
    {:noreply, %{state | phase: :idle, timer: nil}}
  end

  defp frame(?F, _number, message, %{phase: :starting} = state),
    do: {:stop, {:shutdown, {:start_failed, message}}, state}

  defp frame(?B, id, _body, %{phase: :busy, job: %{id: id}} = state) do
    state = %{state | begun: true}

    if state.job.kind == :stream do
      Job.cancel_timer(state.timer)
      GenServer.reply(state.job.from, {:stream, self(), id})
      {:noreply, %{state | timer: nil}}
    else
      {:noreply, state}
    end
  end

  defp frame(?V, id, body, %{phase: :busy, job: %{id: id, kind: :call}} = state),
    do: {:noreply, state |> answer({:value, body}) |> finish()}

  defp frame(?O, id, <<object::64, body::binary>>, %{phase: :busy, job: %{id: id, kind: :call}} = state) do
    state = own(state, object, state.job.owner || Job.caller(state.job))
    {:noreply, state |> answer({:object, self(), object, body}) |> finish()}
  end

  # Nobody is there to have it.
  defp frame(?O, id, <<object::64, _body::binary>>, %{phase: :cancelling, job: %{id: id}} = state),
    do: {:noreply, send_release(state, object)}

  defp frame(?N, id, body, %{phase: :busy, job: %{id: id, kind: :stream}, ended: nil} = state) do
    if state.waiting,
      do: {:noreply, state |> answer({:item, body}) |> credit()},
      else: {:noreply, %{state | items: :queue.in(body, state.items)}}
  end

  defp frame(?D, id, _body, %{phase: :busy, job: %{id: id, kind: :stream}} = state),
    do: {:noreply, end_stream(state, :done)}

  defp frame(?E, id, body, %{phase: :busy, job: %{id: id, kind: :stream}} = state),
    do: {:noreply, end_stream(state, {:raised, body})}

  defp frame(?E, id, body, %{phase: :busy, job: %{id: id}} = state),
    do: {:noreply, state |> answer({:raised, body}) |> finish()}

  # Python has run out of memory.
  defp frame(?L, id, body, %{job: %{id: id}} = state) do
    state = if state.phase == :busy, do: answer(state, {:raised, body}), else: state
    {:stop, {:shutdown, :out_of_memory}, fail(%{state | phase: :ending}, nil)}
  end

  defp frame(?K, id, _body, %{phase: :cancelling, job: %{id: id}} = state), do: {:noreply, finish(state)}

  # It came too late: the call was cancelled meanwhile.
  defp frame(kind, id, _body, %{phase: :cancelling, job: %{id: id}} = state)
       when kind in [?B, ?V, ?N, ?D, ?E],
       do: {:noreply, state}

  defp frame(_kind, _number, _body, state), do: broken(state)

  # Code in Python has written to the pipe.
  defp broken(state) do
    error = Error.new(:worker_exit, "Python wrote something that is no answer, so its worker is replaced")
    {:stop, {:shutdown, :protocol}, fail(state, error)}
  end

  # Answers

  # Whoever waits: the caller of a call or of a stream that has not begun, or the consumer of a stream.
  defp answer(%{job: %{kind: :stream}, begun: true} = state, reply) do
    if state.waiting do
      Job.cancel_timer(state.timer)
      GenServer.reply(state.waiting, reply)
    end

    %{state | waiting: nil, timer: nil}
  end

  defp answer(state, reply) do
    GenServer.reply(state.job.from, reply)
    state
  end

  # As the worker ends. The pool takes a job of which it has heard nothing then for one that never arrived.
  defp fail(%{job: nil} = state, _error), do: state

  defp fail(state, error) do
    send(state.pool, {:failed, self(), state.job.id})
    state = if state.phase == :busy, do: answer(state, {:error, error}), else: state
    %{state | job: nil}
  end

  defp end_stream(%{waiting: nil} = state, outcome), do: %{state | ended: outcome}
  defp end_stream(state, outcome), do: state |> answer(outcome) |> finish()

  defp credit(%{ended: nil} = state) do
    command(state, ?A, 1, "")
    state
  end

  defp credit(state), do: state

  # The call has ended, and Python reads again.
  defp finish(state) do
    Job.cancel_timer(state.timer)
    if state.monitor, do: Process.demonitor(state.monitor, [:flush])
    send(state.pool, {:idle, self(), state.job.id})

    flush_releases(%{
      state
      | phase: :idle,
        job: nil,
        monitor: nil,
        timer: nil,
        items: :queue.new(),
        waiting: nil,
        ended: nil
    })
  end

  defp cancel(state) do
    Job.cancel_timer(state.timer)
    # A pipe that is full is one that Python does not read.
    command(state, ?X, state.job.id, "")
    timer = Process.send_after(self(), {:grace, state.job.id}, state.settings.grace)
    {:noreply, %{state | phase: :cancelling, timer: timer, waiting: nil}}
  end

  # Objects

  defp own(state, object, owner) do
    {monitor, objects} = Map.get_lazy(state.owned, owner, fn -> {Process.monitor(owner), %{}} end)
    owned = Map.put(state.owned, owner, {monitor, Map.put(objects, object, true)})
    %{state | owned: owned, owners: Map.put(state.owners, object, owner)}
  end

  defp release_object(state, object) do
    case Map.pop(state.owners, object) do
      {nil, _owners} -> state
      {owner, owners} -> send_release(disown(%{state | owners: owners}, owner, object), object)
    end
  end

  defp disown(state, owner, object) do
    {monitor, objects} = Map.fetch!(state.owned, owner)

    case Map.delete(objects, object) do
      none when none == %{} ->
        Process.demonitor(monitor, [:flush])
        %{state | owned: Map.delete(state.owned, owner)}

      objects ->
        %{state | owned: Map.put(state.owned, owner, {monitor, objects})}
    end
  end

  defp send_release(state, object) do
    if command(state, ?R, object, ""), do: state, else: %{state | releases: [object | state.releases]}
  end

  defp flush_releases(state) do
    for object <- state.releases, do: command(state, ?R, object, "")
    %{state | releases: []}
  end

  # Whether the frame is on its way. Python may have ended, or not read what it has.
  defp command(state, kind, number, body) do
    Port.command(state.port, [<<kind, number::64>>, body], [:nosuspend])
  rescue
    ArgumentError -> false
  end

  # The end

  defp reason(%{phase: :starting}, _status, last_words),
    do: {:start_failed, "Python ended when it started" <> said(last_words)}

  defp reason(_state, status, _last_words), do: {:exit, status}

  defp said([]), do: ""
  defp said(lines), do: ": " <> List.last(lines)

  @spec ended(non_neg_integer | nil, [String.t()]) :: Error.t()
  defp ended(status, last_words) do
    traceback = if last_words != [], do: Enum.join(last_words, "\n")

    Error.new(
      :worker_exit,
      "the Python worker ended during the call#{how(status)}, and is replaced",
      traceback
    )
  end

  defp how(nil), do: ""
  defp how(status) when status > 128, do: " (signal #{status - 128})"
  defp how(status), do: " (status #{status})"

  @impl GenServer
  def terminate(_reason, state) do
    fail(state, Error.new(:worker_exit, "the Python worker was stopped during the call"))
    unless state.phase == :ended, do: stop_python(state)
    Process.exit(state.output, :kill)
  end

  defp stop_python(state) do
    gone? = state.phase == :idle and command(state, ?Q, 0, "") and await_end(state.port, @quit) == :exited

    unless gone? do
      if state.os_pid, do: Reaper.kill(state.os_pid)
      await_end(state.port, @reaped)
    end

    Reaper.done()
    Output.drain(state.output, @last_words)
  end

  # A port that has only been closed says nothing of the process.
  defp await_end(port, within) do
    receive do
      {^port, {:exit_status, _status}} -> :exited
      {:EXIT, ^port, _reason} -> :closed
    after
      within -> :timeout
    end
  end
end
