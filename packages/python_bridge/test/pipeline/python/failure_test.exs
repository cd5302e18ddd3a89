defmodule Pipeline.Python.FailureTest do
  # What ends calls and workers.
  use Pipeline.PythonCase, async: true

  import ExUnit.CaptureLog

  describe "a call that takes too long" do
    test "is interrupted, and its worker goes on", %{pool: pool} do
      {:ok, os_pid} = probe(pool, :pid)

      for {module, function, args} <- [{"time", "sleep", [60]}, {"probe", "busy", [60]}] do
        assert {:error, %Error{type: :timeout, message: message}} =
                 Python.call(module, function, args, pool: pool, timeout: 50)

        assert message == "the call took longer than 50 ms (timeout:) and was ended"
      end

      assert probe(pool, :pid) == {:ok, os_pid}
    end

    @tag pool: [grace: 50]
    test "has its worker killed if it does not let go", %{pool: pool} do
      for function <- [:stubborn, :deaf] do
        {:ok, os_pid} = probe(pool, :pid)
        assert {:error, %Error{type: :timeout}} = probe(pool, function, [], timeout: 50)
        await_gone(os_pid)
        assert {:ok, _another} = probe(pool, :pid)
      end
    end

    test "may end at any time around its timeout", %{pool: pool} do
      for timeout <- 0..40 do
        assert elem(probe(pool, :busy, [0.02], timeout: timeout), 0) in [:ok, :error]
      end

      assert probe(pool, :echo, [1]) == {:ok, 1}
    end

    test "waits no longer than that for a worker", %{pool: pool} do
      folder = folder!()
      [go, started] = for name <- ["go", "started"], do: Path.join(folder, name)
      running = Task.async(fn -> probe(pool, :wait_for, [go, started]) end)
      await_file(started)
      assert {:error, %Error{type: :timeout, message: message}} = probe(pool, :echo, [1], timeout: 20)
      assert message =~ "no Python worker was free within 20 ms"
      File.write!(go, "")
      assert Task.await(running) == {:ok, "went on"}
    end
  end

  describe "a caller that dies" do
    test "ends its call", %{pool: pool} do
      {:ok, os_pid} = probe(pool, :pid)
      started = Path.join(folder!(), "started")
      caller = spawn(fn -> probe(pool, :busy, [600, started], timeout: :infinity) end)
      await_file(started)
      Process.exit(caller, :kill)
      assert probe(pool, :pid) == {:ok, os_pid}
    end

    @tag pool: [grace: 50]
    test "ends its call, and the worker if need be", %{pool: pool} do
      started = Path.join(folder!(), "started")
      caller = spawn(fn -> probe(pool, :deaf, [started], timeout: :infinity) end)
      os_pid = await_file(started)
      Process.exit(caller, :kill)
      await_gone(os_pid)
      assert {:ok, _} = probe(pool, :pid)
    end

    test "while it waits is forgotten", %{pool: pool} do
      folder = folder!()
      [go, started, ran] = for name <- ["go", "started", "ran"], do: Path.join(folder, name)
      running = Task.async(fn -> probe(pool, :wait_for, [go, started]) end)
      await_file(started)
      waiting = spawn(fn -> probe(pool, :record, [ran, 1]) end)
      await(fn -> match?({:ok, %{waiting: 1}}, Python.info(pool: pool)) end)
      Process.exit(waiting, :kill)
      await(fn -> match?({:ok, %{waiting: 0}}, Python.info(pool: pool)) end)
      File.write!(go, "")
      assert Task.await(running) == {:ok, "went on"}
      assert probe(pool, :echo, [1]) == {:ok, 1}
      refute File.exists?(ran)
    end
  end

  describe "a worker that ends" do
    test "fails its call only", %{pool: pool} do
      for {signal, text} <- [{9, "signal 9"}, {11, "signal 11"}, {15, "signal 15"}] do
        assert {:error, %Error{type: :worker_exit, message: message}} = probe(pool, :crash, [signal])
        assert message =~ text
        assert probe(pool, :echo, [signal]) == {:ok, signal}
      end

      assert {:error, %Error{type: :worker_exit, message: message}} = probe(pool, :crash_sometimes, [0, 1])
      assert message =~ "status 7"
    end

    test "while it is free fails no call", %{pool: pool} do
      for _ <- 1..5 do
        {:ok, os_pid} = probe(pool, :pid)
        kill(os_pid)
        # At once: the pool cannot know yet.
        assert {:ok, another} = probe(pool, :pid)
        assert another != os_pid
      end
    end

    test "tells its last words", %{pool: pool} do
      assert {:error, %Error{traceback: traceback}} =
               Python.eval("import ctypes\nctypes.string_at(0)", pool: pool)

      assert traceback =~ "Segmentation fault"
      assert traceback =~ ~s(File "<eval>", line 2)
    end

    test "with calls that wait for it", %{pool: pool} do
      folder = folder!()
      started = Path.join(folder, "started")
      running = Task.async(fn -> probe(pool, :wait_for, [Path.join(folder, "never"), started]) end)
      os_pid = await_file(started)
      waiting = for n <- 1..5, do: Task.async(fn -> probe(pool, :echo, [n]) end)
      await(fn -> match?({:ok, %{waiting: 5}}, Python.info(pool: pool)) end)
      kill(os_pid)
      assert {:error, %Error{type: :worker_exit}} = Task.await(running)
      assert Task.await_many(waiting, 30_000) == for(n <- 1..5, do: {:ok, n})
    end

    test "while a large answer is on its way", %{pool: pool} do
      for delay <- [0, 0.001, 0.005, 0.02] do
        source = """
        import os, threading, time
        pid = os.getpid()
        def end():
            time.sleep(delay)
            os.kill(pid, 9)
        threading.Thread(target=end).start()
        [b"x" * 1000] * 40_000
        """

        assert elem(Python.eval(source, bindings: %{delay: delay}, pool: pool), 0) in [:ok, :error]
        assert {:ok, _} = probe(pool, :pid)
      end
    end

    test "while it gets a large argument", %{pool: pool} do
      {:ok, os_pid} = probe(pool, :pid)
      # Stopped, it reads nothing, so the pipe is full and the call is under way.
      kill(os_pid, "STOP")
      call = Task.async(fn -> probe(pool, :echo, [String.duplicate("x", 10_000_000)]) end)
      await(fn -> match?({:ok, %{workers: %{busy: 1}}}, Python.info(pool: pool)) end)
      kill(os_pid)
      # It had not begun, so another worker takes it.
      assert {:ok, text} = Task.await(call)
      assert byte_size(text) == 10_000_000
    end

    @tag pool: [grace: 50]
    test "or is stopped, is no matter after the timeout", %{pool: pool} do
      {:ok, os_pid} = probe(pool, :pid)
      kill(os_pid, "STOP")
      large = String.duplicate("x", 10_000_000)
      assert {:error, %Error{type: :timeout}} = probe(pool, :echo, [large], timeout: 100)
      await_gone(os_pid)
      assert probe(pool, :echo, [1]) == {:ok, 1}
    end

    test "and whose process is killed in the VM leaves no Python", %{pool: pool} do
      for function <- [:busy, :deaf] do
        started = Path.join(folder!(), "started")
        args = if function == :busy, do: [600, started], else: [started]
        call = Task.async(fn -> probe(pool, function, args) end)
        os_pid = await_file(started)

        [{_, workers, _, _}] =
          for {_, _, :supervisor, _} = child <- Supervisor.which_children(pool), do: child

        [{_, worker, _, _}] = DynamicSupervisor.which_children(workers)
        Process.exit(worker, :kill)
        assert {:error, %Error{type: :worker_exit}} = Task.await(call, 30_000)
        await_gone(os_pid)
      end

      assert probe(pool, :echo, [1]) == {:ok, 1}
    end

    test "with its pool leaves no Python", %{pool: pool} do
      started = Path.join(folder!(), "started")
      call = Task.async(fn -> probe(pool, :deaf, [started]) end)
      os_pid = await_file(started)
      [{_, server, _, _}] = for {Python.Pool, _, _, _} = child <- Supervisor.which_children(pool), do: child
      Process.exit(server, :kill)
      assert {:error, %Error{type: :not_running}} = Task.await(call, 30_000)
      await_gone(os_pid)
      assert await(fn -> with {:error, _} <- probe(pool, :echo, [1]), do: nil end) == {:ok, 1}
    end

    @tag pool: [memory: 300 * 1_048_576]
    test "for want of memory has answered, and is replaced", %{pool: pool} do
      {:ok, os_pid} = probe(pool, :pid)
      assert {:error, %Error{type: "MemoryError"}} = Python.eval("b'x' * 400_000_000", pool: pool)
      await_gone(os_pid)
      assert {:ok, 100_000_000} = Python.eval("len(b'x' * 100_000_000)", pool: pool)
    end
  end

  describe "a Python that does not start" do
    @tag pool: false
    test "is an error of start_link/1, by a sentence" do
      Process.flag(:trap_exit, true)
      folder = folder!()
      not_python = Path.join(folder, "not_python")
      File.write!(not_python, "#!/bin/sh\nexit 3\n")
      File.chmod!(not_python, 0o755)
      no_program = Path.join(folder, "no_program")
      File.write!(no_program, "")

      for {settings, text} <- [
            {[python_path: "/nowhere/python"], "/nowhere/python does not exist"},
            {[python_path: "no-such-python"], "there is no program no-such-python in PATH"},
            {[python_path: folder], "is no virtual environment: it has no bin/python"},
            {[python_path: not_python], "Python ended when it started"},
            {[python_path: no_program], "cannot be run"},
            {[preload: ["no_such_module"]], "ModuleNotFoundError: No module named 'no_such_module'"},
            {[start_timeout: 1], "it was not ready after 1 ms"}
          ] do
        assert {:error, %Error{type: :not_running, message: message}} = Python.start_link(settings(settings))
        assert message =~ text
      end

      assert_raise ArgumentError, ~r/worker: unknown field. Did you mean :workers/, fn ->
        Python.start_link(worker: 1)
      end
    end

    @tag pool: false
    test "too old a Python is refused, by its version" do
      case "~/.pyenv/versions/3.8*/bin/python3" |> Path.expand() |> Path.wildcard() |> List.first() do
        nil ->
          :ok

        python ->
          assert {:error, %Error{message: message}} = Python.start_link(settings(python_path: python))
          assert message =~ "Python 3.8 is too old: 3.9 or newer is needed"
      end
    end

    @tag pool: false
    test "is tried again, with pauses, and calls are refused meanwhile" do
      folder = folder!()
      switch = Path.join(folder, "switch.py")
      settings = settings(paths: [folder], preload: ["switch"], backoff: [min: 10, max: 50])
      name = make_ref()
      File.write!(switch, "")
      pool = start_supervised!({Python, [name: name] ++ settings})
      {:ok, os_pid} = Python.call("os", "getpid", [], pool: pool)
      File.write!(switch, "raise RuntimeError('not now')")

      log =
        capture_log(fn ->
          kill(os_pid)

          assert %Error{message: message} =
                   await(fn ->
                     case Python.call("os", "getpid", [], pool: pool) do
                       {:error, %Error{type: :not_running} = error} -> error
                       _ -> nil
                     end
                   end)

          assert message =~ "Python does not start: RuntimeError: not now"
        end)

      assert log =~ "a Python worker does not start: RuntimeError: not now; the next try is in"
      File.write!(switch, "")

      assert await(fn -> with {:error, _} <- Python.call("operator", "neg", [1], pool: pool), do: nil end) ==
               {:ok, -1}
    end
  end

  describe "limits" do
    @tag pool: [max_queue: 2]
    test "of calls that wait", %{pool: pool} do
      folder = folder!()
      [go, started] = for name <- ["go", "started"], do: Path.join(folder, name)
      running = Task.async(fn -> probe(pool, :wait_for, [go, started]) end)
      await_file(started)
      waiting = for n <- 1..2, do: Task.async(fn -> probe(pool, :echo, [n]) end)
      await(fn -> match?({:ok, %{waiting: 2}}, Python.info(pool: pool)) end)
      assert {:error, %Error{type: :overloaded}} = probe(pool, :echo, [3])
      File.write!(go, "")
      assert Task.await_many([running | waiting]) == [{:ok, "went on"}, {:ok, 1}, {:ok, 2}]
    end
  end

  describe "the pipe" do
    test "with frames of others in it: the worker is replaced", %{pool: pool} do
      for frame <- [
            <<1::32, ?V>>,
            <<9::32, ?V, 0::64>>,
            <<9::32, ?Z, 0::64>>,
            <<4::32, "none">>,
            <<0::32>>,
            <<9::32, ?Y, 0::64>>,
            <<9::32, ?O, 1::64>>,
            "some text that a program printed\n",
            <<0xFFFFFFFF::32, 1>>
          ] do
        assert {:error, %Error{type: type}} =
                 probe(pool, :into_the_pipe, [Python.bytes(frame)], timeout: 2_000)

        assert type in [:worker_exit, :timeout]
        assert probe(pool, :echo, [1]) == {:ok, 1}
      end
    end

    test "with terms in it that are none, or not harmless", %{pool: pool} do
      for term <- [
            "",
            <<131>>,
            <<131, 108, 0xFFFFFFFF::32>>,
            <<131, 116, 0xFFFFFFFF::32, 97, 1>>,
            :erlang.term_to_binary(self()),
            :erlang.term_to_binary(&System.halt/0),
            :erlang.term_to_binary(String.duplicate("a", 1_000_000), [:compressed]),
            <<131, 119, 20, "atom_that_is_unknown">>
          ] do
        assert {:error, %Error{type: :result}} = probe(pool, :term_in_the_pipe, [Python.bytes(term)])
        # Its second answer, or the first call that it disturbs, costs the worker.
        assert await(fn -> with {:error, _} <- probe(pool, :echo, [1], timeout: 500), do: nil end) == {:ok, 1}
      end
    end

    test "that Python closes: the call ends", %{pool: pool} do
      assert {:error, %Error{type: type}} = probe(pool, :close_the_pipe, [], timeout: 2_000)
      assert type in [:worker_exit, :timeout]
      assert probe(pool, :echo, [1]) == {:ok, 1}
    end

    test "is not a forked child's", %{pool: pool} do
      {:ok, os_pid} = probe(pool, :pid)
      assert probe(pool, :fork) == {:ok, "parent"}
      assert probe(pool, :pid) == {:ok, os_pid}
    end
  end

  describe "prints" do
    test "go to the log, whoever prints", %{pool: pool} do
      log =
        capture_log(fn ->
          assert probe(pool, :noise, [500]) == {:ok, "quiet"}
          assert probe(pool, :echo, [1]) == {:ok, 1}
          # The last line has no end before that of the worker.
          stop_supervised!(pool_id(pool))
        end)

      for line <- [
            "from python é",
            "to stderr",
            "raw \uFFFD bytes",
            "from a child",
            "line 0\n",
            "line 499",
            "[31mred[0m"
          ],
          do: assert(log =~ line)
    end

    @tag pool: [preload: ["probe"]]
    test "of any size hold Python back, not the VM", %{pool: pool} do
      capture_log(fn ->
        assert Python.eval("for _ in range(2000): print('x' * 1000)\nprint('y' * 100_000)\n'done'", pool: pool) ==
                 {:ok, "done"}
      end)
    end

    test "cannot be input: a program that reads gets none", %{pool: pool} do
      assert Python.eval("import sys; sys.stdin.read()", pool: pool) == {:ok, ""}
    end
  end
end
