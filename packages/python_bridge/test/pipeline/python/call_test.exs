defmodule Pipeline.Python.CallTest do
  use Pipeline.PythonCase, async: true

  describe "call/4" do
    test "of a function, with dots, with atoms, with keyword arguments", %{pool: pool} do
      assert Python.call("math", "sqrt", [16], pool: pool) == {:ok, 4.0}
      assert Python.call(:math, :sqrt, [16], pool: pool) == {:ok, 4.0}
      assert Python.call("os.path", "join", ["a", "b"], pool: pool) == {:ok, "a/b"}
      assert Python.call("os", "path.join", ["a", "b"], pool: pool) == {:ok, "a/b"}
      assert Python.call("builtins", "int", ["ff"], kwargs: [base: 16], pool: pool) == {:ok, 255}
      assert Python.call("builtins", "int", ["ff"], kwargs: %{"base" => 16}, pool: pool) == {:ok, 255}
    end

    test "an exception is an error with its type, text and traceback", %{pool: pool} do
      assert {:error, %Error{type: "ValueError", message: message, traceback: traceback} = error} =
               Python.call("builtins", "int", ["ff"], pool: pool)

      assert message == "invalid literal for int() with base 10: 'ff'"
      assert Exception.message(error) == "Python raised ValueError: " <> message
      assert traceback =~ "ValueError: invalid literal"
      refute traceback =~ "pipeline_bridge"

      assert {:error, %Error{type: "json.decoder.JSONDecodeError", traceback: traceback}} =
               Python.call("json", "loads", ["{"], pool: pool)

      assert traceback =~ ~r/json.__init__.py/

      assert {:error, %Error{type: "ModuleNotFoundError"}} =
               Python.call("no_such_module", "f", [], pool: pool)

      assert {:error, %Error{type: "AttributeError"}} = Python.call("math", "no_such", [], pool: pool)
      assert_raise Error, ~r/ValueError/, fn -> Python.call!("builtins", "int", ["ff"], pool: pool) end
    end

    test "exceptions that cannot be told, and those that end programs", %{pool: pool} do
      {:ok, os_pid} = probe(pool, :pid)

      assert {:error, %Error{type: "probe.Unspeakable", message: "(its text" <> _}} =
               probe(pool, :raise_, ["unspeakable"])

      assert {:error, %Error{type: "probe.Endless", message: message}} = probe(pool, :raise_, ["endless"])
      assert byte_size(message) < 200_000
      assert {:error, %Error{type: "SystemExit"}} = probe(pool, :raise_, ["exit"])
      assert {:error, %Error{type: "KeyboardInterrupt"}} = probe(pool, :raise_, ["interrupt"])
      assert probe(pool, :pid) == {:ok, os_pid}
    end

    test "wrong options raise", %{pool: pool} do
      assert_raise ArgumentError, ~r/unknown option :timeot.*Did you mean :timeout/s, fn ->
        Python.call("math", "sqrt", [16], timeot: 1, pool: pool)
      end

      assert_raise ArgumentError, ~r/timeout: is milliseconds/, fn ->
        Python.call("math", "sqrt", [16], timeout: -1, pool: pool)
      end
    end

    @tag pool: false
    test "without a pool it says what to load" do
      assert {:error, %Error{type: :not_running, message: message}} =
               Python.call("math", "sqrt", [16], pool: :none)

      assert message =~ "load Pipeline.Plugins.PythonBridge"
    end

    @tag pool: [workers: 2]
    test "calls run at the same time, one in each worker", %{pool: pool} do
      folder = folder!()
      [a, b] = for name <- ["a", "b"], do: Path.join(folder, name)
      # Each ends once the other has begun.
      first = Task.async(fn -> probe(pool, :wait_for, [b, a]) end)
      second = Task.async(fn -> probe(pool, :wait_for, [a, b]) end)
      assert Task.await_many([first, second], 30_000) == [{:ok, "went on"}, {:ok, "went on"}]
    end
  end

  describe "eval/2" do
    test "is the value of the last expression", %{pool: pool} do
      assert Python.eval("x = 20\nx + y", bindings: %{y: 1}, pool: pool) == {:ok, 21}
      assert Python.eval("x = 20", pool: pool) == {:ok, nil}
      assert Python.eval("", pool: pool) == {:ok, nil}
      assert Python.eval("def f(n):\n  return 1 if n == 0 else n * f(n - 1)\nf(5)", pool: pool) == {:ok, 120}
      assert {:error, %Error{type: "NameError"}} = Python.eval("x", pool: pool)
      assert {:error, %Error{type: "SyntaxError"}} = Python.eval("1 +", pool: pool)
      assert Python.eval!("1 + 1", pool: pool) == 2
    end
  end

  describe "stream/4" do
    test "is lazy, and can be taken again", %{pool: pool} do
      stream = Python.stream("itertools", "count", [10], pool: pool)
      assert Enum.take(stream, 3) == [10, 11, 12]
      assert Enum.take(stream, 20) == Enum.to_list(10..29)
      assert Enum.to_list(Python.stream("builtins", "range", [100], pool: pool)) == Enum.to_list(0..99)
      assert Enum.to_list(Python.stream("builtins", "list", [], pool: pool)) == []
    end

    test "a generator is closed when the consumer halts, or dies", %{pool: pool} do
      path = Path.join(folder!(), "closed")
      assert "probe" |> Python.stream("closing", [path], pool: pool) |> Enum.take(2) == [0, 1]
      await_file(path)
      File.rm!(path)

      test = self()

      consumer =
        spawn(fn ->
          "probe"
          |> Python.stream("closing", [path], pool: pool)
          |> Enum.each(&send(test, {:item, &1, self()}))
        end)

      assert_receive {:item, 3, ^consumer}
      Process.exit(consumer, :kill)
      await_file(path)
      assert probe(pool, :echo, [1]) == {:ok, 1}
    end

    test "a slow consumer holds the stream back", %{pool: pool} do
      path = Path.join(folder!(), "count")

      "probe"
      |> Python.stream("counted", [path, 100], pool: pool, buffer: 3)
      |> Enum.each(fn item ->
        # Written before the item is yielded, so at most as many ahead as there is credit.
        assert String.to_integer(await_file(path)) <= item + 3
      end)
    end

    test "an exception raises in the consumer, after the items before it", %{pool: pool} do
      test = self()

      assert_raise Error, "Python raised ValueError: enough", fn ->
        "probe" |> Python.stream("failing", [5], pool: pool) |> Enum.each(&send(test, {:item, &1}))
      end

      for item <- 0..4, do: assert_received({:item, ^item})

      assert_raise Error, ~r/TypeError/, fn ->
        "probe" |> Python.stream("pid", [], pool: pool) |> Enum.to_list()
      end

      assert_raise Error, ~r/ModuleNotFound/, fn ->
        "nowhere" |> Python.stream("f", [], pool: pool) |> Enum.to_list()
      end

      assert probe(pool, :echo, [1]) == {:ok, 1}
    end

    test "an item that is no term", %{pool: pool} do
      assert_raise Error, ~r/type set has no term/, fn ->
        "probe" |> Python.stream("sets", [], pool: pool) |> Enum.to_list()
      end
    end

    test "a crash in the middle", %{pool: pool} do
      assert_raise Error, ~r/ended during the call/, fn ->
        "probe" |> Python.stream("crashing", [50], pool: pool) |> Enum.to_list()
      end

      assert probe(pool, :echo, [1]) == {:ok, 1}
    end

    test "the time of an item", %{pool: pool} do
      test = self()

      assert_raise Error, ~r/took longer than 1000 ms/, fn ->
        "probe"
        |> Python.stream("slow", [3], pool: pool, timeout: 1_000)
        |> Enum.each(&send(test, {:item, &1}))
      end

      for item <- 0..2, do: assert_received({:item, ^item})
      assert probe(pool, :echo, [1]) == {:ok, 1}
    end
  end

  describe "objects" do
    test "stand for what stays in Python", %{pool: pool} do
      {:ok, counter} = Python.call("collections", "Counter", ["banana"], keep: true, pool: pool)
      assert %Python.Object{type: "collections.Counter"} = counter
      assert Python.call(counter, "most_common", [1], pool: pool) == {:ok, [{"a", 3}]}
      assert Python.call("builtins", "len", [counter], pool: pool) == {:ok, 3}
      assert probe(pool, :type_of, [%{in: [{counter}]}]) == {:ok, "dict"}
      assert Python.eval("c['n']", bindings: %{c: counter}, pool: pool) == {:ok, 2}
      assert Enum.sort(Enum.to_list(Python.stream(counter, "elements", [], pool: pool))) == ~w(a a a b n n)
    end

    test "are released by release/1", %{pool: pool} do
      path = Path.join(folder!(), "released")
      {:ok, thing} = probe(pool, "Thing", [path], keep: true)
      assert Python.call(thing, "name", [], pool: pool) == {:ok, "thing"}
      assert Python.release(thing) == :ok
      await_file(path)
      assert Python.release(thing) == :ok
      assert {:error, %Error{type: :object_gone}} = Python.call(thing, "name", [], pool: pool)
    end

    test "are released when their owner ends", %{pool: pool} do
      folder = folder!()
      [mine, its] = for name <- ["mine", "its"], do: Path.join(folder, name)
      owner = spawn(fn -> receive do: (:end -> :ok) end)
      {:ok, thing} = probe(pool, "Thing", [its], keep: true, owner: owner)

      {:ok, _} = Task.async(fn -> probe(pool, "Thing", [mine], keep: true) end) |> Task.await()

      await_file(mine)
      assert Python.call(thing, "name", [], pool: pool) == {:ok, "thing"}
      send(owner, :end)
      await_file(its)
      assert {:error, %Error{type: :object_gone}} = Python.call(thing, "name", [], pool: pool)
    end

    test "of an owner that has ended already are released at once", %{pool: pool} do
      path = Path.join(folder!(), "released")
      {owner, monitor} = spawn_monitor(fn -> :ok end)
      assert_receive {:DOWN, ^monitor, :process, ^owner, _}
      {:ok, _thing} = probe(pool, "Thing", [path], keep: true, owner: owner)
      await_file(path)
    end

    @tag pool: [workers: 2]
    test "are reached in their worker, and gone with it", %{pool: pool} do
      {:ok, thing} = probe(pool, "Thing", [], keep: true)
      {:ok, os_pid} = Python.call("os", "getpid", [], pool: pool)

      assert {:ok, home} =
               Python.eval("import os\n(t.name(), os.getpid())[1]", bindings: %{t: thing}, pool: pool)

      for _ <- 1..20, do: assert(Python.call(thing, "name", [], pool: pool) == {:ok, "thing"})
      assert is_integer(os_pid)
      kill(home)
      await_gone(home)

      await(fn -> match?({:error, %Error{type: :object_gone}}, Python.call(thing, "name", [], pool: pool)) end)
    end

    @tag pool: [workers: 2]
    test "of two workers cannot meet", %{pool: pool} do
      things =
        await(fn ->
          tasks =
            for _ <- 1..2,
                do:
                  Task.async(fn ->
                    probe(pool, "Thing", [], keep: true, owner: Process.whereis(Pipeline.Python.Reaper))
                  end)

          things = for {:ok, thing} <- Task.await_many(tasks), do: thing
          if things |> Enum.uniq_by(& &1.worker) |> length() == 2, do: things
        end)

      assert {:error, %Error{type: :argument, message: message}} = probe(pool, :echo, things)
      assert message =~ "different workers"
      for thing <- things, do: Python.release(thing)
    end
  end
end
