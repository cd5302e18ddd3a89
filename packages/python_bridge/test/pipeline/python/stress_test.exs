defmodule Pipeline.Python.StressTest do
  # Many callers and crashes. PIPELINE_PYTHON_CALLS says how many calls, bin/verify more than this.
  use Pipeline.PythonCase, async: true

  @calls String.to_integer(System.get_env("PIPELINE_PYTHON_CALLS") || "10000")
  @callers 100
  # One call in so many ends its worker.
  @crash 250

  @tag pool: [workers: 4], timeout: :infinity
  test "each call is answered once, whatever crashes, and no Python remains", %{pool: pool} do
    each = div(@calls, @callers)
    ran = Path.join(folder!(), "ran")

    tasks =
      for caller <- 0..(@callers - 1) do
        Task.async(fn ->
          answers =
            for n <- 1..each do
              number = caller * each + n
              {number, answer(pool, ran, number)}
            end

          # Nothing but answers has come, and none twice.
          receive do
            unexpected -> flunk("unexpected message: #{inspect(unexpected)}")
          after
            0 -> answers
          end
        end)
      end

    answers = tasks |> Task.await_many(:infinity) |> List.flatten()
    assert length(answers) == each * @callers

    for {number, answer} <- answers do
      if rem(number, @crash) == 0,
        do: assert({:error, %Error{type: :worker_exit}} = answer),
        else: assert(answer == {:ok, number})
    end

    # Each ran once, also those that were with a worker that ended.
    lines = ran |> File.read!() |> String.split("\n", trim: true) |> Enum.map(&String.to_integer/1)
    assert Enum.sort(lines) == Enum.to_list(1..(each * @callers))

    pids = python_processes(pool)
    assert length(pids) == 4
    stop_supervised!(pool_id(pool))
    Enum.each(pids, &await_gone/1)
  end

  defp answer(pool, ran, number) do
    source = """
    import probe
    probe.record(ran, number)
    probe.crash_sometimes(number, every)
    """

    Python.eval(source, bindings: %{ran: ran, number: number, every: @crash}, pool: pool, timeout: :infinity)
  end

  @tag pool: [workers: 2, grace: 20], timeout: :infinity
  test "callers that die, time out and halt streams at any moment leave a pool that works", %{pool: pool} do
    tasks =
      for n <- 1..200 do
        Task.async(fn ->
          case rem(n, 4) do
            0 ->
              {caller, monitor} = spawn_monitor(fn -> probe(pool, :busy, [0.01]) end)
              receive(do: (:nothing_sends_this -> :ok), after: (rem(n, 20) -> Process.exit(caller, :kill)))
              receive do: ({:DOWN, ^monitor, :process, ^caller, _reason} -> :ok)

            1 ->
              probe(pool, :busy, [0.01], timeout: rem(n, 30))

            2 ->
              assert "itertools"
                     |> Python.stream("count", [], pool: pool)
                     |> Enum.take(rem(n, 20))
                     |> length() == rem(n, 20)

            3 ->
              if n > 150, do: probe(pool, :crash), else: probe(pool, :stubborn, [], timeout: 10)
          end
        end)
      end

    Task.await_many(tasks, :infinity)
    for n <- 1..50, do: assert(probe(pool, :echo, [n]) == {:ok, n})
    await(fn -> match?({:ok, %{waiting: 0, workers: %{busy: 0, idle: 2}}}, Python.info(pool: pool)) end)
  end

  defp python_processes(pool) do
    await(fn ->
      match?({:ok, %{workers: %{idle: 4}}}, Python.info(pool: pool))
    end)

    [workers] = for {_, pid, :supervisor, _} <- Supervisor.which_children(pool), do: pid

    for {_, worker, _, _} <- DynamicSupervisor.which_children(workers),
        {:links, links} = Process.info(worker, :links),
        port <- links,
        is_port(port),
        {:os_pid, os_pid} when is_integer(os_pid) <- [Port.info(port, :os_pid)],
        do: os_pid
  end
end
