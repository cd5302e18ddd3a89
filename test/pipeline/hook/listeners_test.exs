defmodule Pipeline.Hook.ListenersTest do
  # tagged: and concurrency: of points with listeners.
  use Pipeline.InstanceCase, async: true

  defmodule Points do
    use Pipeline.Hook.Spec

    hookpoint :first, mode: :first, tagged: true
    hookpoint :collect, mode: :collect, tagged: true
    hookpoint :beside, mode: :collect, tagged: true, concurrency: 3
    hookpoint :first_beside, mode: :first, concurrency: 2
    hookpoint :notify_beside, mode: :notify, concurrency: 10
  end

  @moduletag hooks: Points

  defp load(id, instance) do
    module =
      plugin id: id do
        for point <- [:first, :collect, :beside, :first_beside, :notify_beside] do
          hook :listen, point, fun: :listen
        end

        def listen(fun), do: fun.(__plugin__().id)
      end

    {:ok, ^id} = Manager.load_plugin(module, %{}, instance: instance)
    id
  end

  test "tagged values have the plugin of the listener", %{instance: instance} do
    for id <- [:a, :b, :c], do: load(id, instance)
    values = fn id -> %{a: nil, b: false, c: 3}[id] end
    assert Hook.run(instance, :first, values, nil) == {:ok, {:b, false}}
    assert Hook.run(instance, :first, fn _ -> nil end, nil) == {:ok, nil}
    assert Hook.run(instance, :first, fn _ -> nil end, fn _ -> :core end) == {:ok, :core}

    for point <- [:collect, :beside],
        do: assert(Hook.run(instance, point, values, nil) == {:ok, [a: nil, b: false, c: 3]})
  end

  test "with concurrency: listeners run side by side, and values keep the order of hooks", %{
    instance: instance
  } do
    for id <- [:a, :b, :c], do: load(id, instance)
    test = self()

    # The first one ends when all have begun.
    meet = fn id ->
      send(test, {id, self()})
      if id == :a, do: receive(do: (:go -> id)), else: id
    end

    run = Task.async(fn -> Hook.run(instance, :beside, meet, nil) end)
    assert_receive {:a, a}
    assert_receive {:b, b}
    assert_receive {:c, _}
    assert length(Enum.uniq([a, b, run.pid])) == 3
    send(a, :go)
    assert Task.await(run) == {:ok, [a: :a, b: :b, c: :c]}
  end

  test "its tasks work for the instance, with the caller's log metadata", %{instance: instance} do
    for id <- [:a, :b], do: load(id, instance)
    Logger.metadata(request_id: "r")

    see = fn _id -> {Pipeline.Instance.Caller.instance(), Logger.metadata()[:request_id]} end
    assert Hook.run(instance, :beside, see, nil) == {:ok, [a: {instance, "r"}, b: {instance, "r"}]}
  end

  test "the first value in the order of hooks wins, the others are not waited for", %{instance: instance} do
    for id <- [:a, :b, :c], do: load(id, instance)
    test = self()

    value = fn
      :a -> nil
      :b -> :b
      :c -> with {:c, _} <- send(test, {:c, self()}), do: Process.sleep(:infinity)
    end

    assert Hook.run(instance, :first_beside, value, nil) == {:ok, :b}
    refute_received {:DOWN, _, _, _, _}
  end

  test "failures are those of their hooks", %{instance: instance} do
    load(:a, instance)
    load(:b, instance)
    fail = fn id -> if id == :a, do: raise("no"), else: id end

    assert {:error, %Hook.Error{plugin: :a, reason: %RuntimeError{message: "no"}}} =
             Hook.run(instance, :beside, fail, nil)

    assert Hook.run(instance, :notify_beside, fail, nil) == :ok
    assert %{failures: 1} = Hook.stats(:notify_beside, instance: instance)
    refuse = fn id -> if id == :a, do: throw({:hook_error, :refused}), else: id end
    assert Hook.run(instance, :beside, refuse, nil) == {:error, :refused}
  end

  test "one that is skipped gives no value, one that raises does so in the caller", %{instance: instance} do
    module =
      plugin id: :both do
        hook :listen, :beside, fun: :skipped, on_error: :skip
        hook :listen, :beside, fun: :raised, on_error: :raise
        def skipped(fun), do: fun.(:a)
        def raised(fun), do: fun.(:b)
      end

    {:ok, :both} = Manager.load_plugin(module, %{}, instance: instance)

    assert Hook.run(instance, :beside, fn id -> if id == :a, do: raise("no"), else: id end, nil) ==
             {:ok, [both: :b]}

    assert_raise RuntimeError, "no", fn -> Hook.run(instance, :beside, fn _ -> raise("no") end, nil) end
  end

  test "such runs are measured and traced", %{instance: instance} do
    for id <- [:a, :b], do: load(id, instance)
    {:ok, _trace} = Hook.trace(:beside, instance: instance)
    {:ok, _} = Hook.run(instance, :beside, & &1, nil)
    assert_receive {:pipeline_trace, _, %{calls: calls}}
    assert Enum.sort(for call <- calls, do: {call.plugin, call.outcome}) == [a: :answered, b: :answered]
    assert [%{runs: 1, answers: 1}, %{runs: 1}] = Hook.stats(:beside, instance: instance).hooks
  end

  for {what, code, message} <- [
        {"tagged of a chain", "hookpoint :step, tagged: true",
         "the hook point :step runs as :chain, which takes no :tagged"},
        {"tagged of notify", "hookpoint :step, mode: :notify, tagged: true",
         "the hook point :step runs as :notify, which takes no :tagged"},
        {"another tag", "hookpoint :step, mode: :first, tagged: 1",
         "tagged: of the hook point :step is true or false, got: 1"},
        {"no concurrency", "hookpoint :step, mode: :first, concurrency: 0",
         "concurrency: of the hook point :step is a positive number of listeners, got: 0"}
      ] do
    test "#{what} is a compile error" do
      code = "defmodule Pipeline.TestNever do\nuse Pipeline.Hook.Spec\n#{unquote(code)}\nend"
      error = assert_raise(CompileError, fn -> Code.compile_string(code, "never.ex") end)
      assert Exception.message(error) == "never.ex:3: " <> unquote(message)
    end
  end
end
