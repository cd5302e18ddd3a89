defmodule Pipeline.Plugin.WaveTest do
  # Plugins that need none of each other start at the same time, and none of them is in the way of another.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Instance.Names

  defp told(id, needs \\ []) do
    name = :"Elixir.Pipeline.WavePlugin#{System.unique_integer([:positive])}"

    Module.create(
      name,
      quote do
        use Pipeline.Plugin, id: unquote(id), version: "1.0.0"
        @moduledoc false
        unquote_splicing(for need <- needs, do: quote(do: depends_on(unquote(need))))
        use Pipeline.Gated
      end,
      __ENV__
    )

    on_exit(fn -> Pipeline.InstanceCase.remove(name) end)
    name
  end

  defp load(plugins, instance, opts \\ []) do
    test = self()
    plugins = for {module, wait} <- plugins, do: {module, %{test: test, wait: wait}}
    Task.async(fn -> Manager.load_plugins(plugins, [instance: instance] ++ opts) end)
  end

  defp assert_nothing_left(instance) do
    assert Manager.list_plugins(instance: instance) == []
    assert %{active: 0} = Supervisor.count_children(Names.whereis(instance, :plugins))
  end

  # How many callbacks run at the same time.
  defp places, do: System.schedulers_online()

  for callback <- [:init, :start] do
    test "as many #{callback}/1 run at the same time as there are schedulers, in load order", %{
      instance: instance
    } do
      ids = for n <- 1..(places() + 1), do: :"plugin_#{n}"
      load = load(for(id <- ids, do: {told(id), [unquote(callback)]}), instance)

      waiting = for _ <- 1..places(), do: assert_receive({unquote(callback), _id, _pid})
      refute_received {unquote(callback), _, _}
      {began, [last]} = Enum.split(Enum.sort(ids), places())
      assert Enum.sort(for {_, id, _} <- waiting, do: id) == began

      for {_, _, pid} <- waiting, do: send(pid, :go)
      assert_receive {unquote(callback), ^last, pid}
      send(pid, :go)
      assert {:ok, loaded} = Task.await(load)
      assert loaded == Enum.sort(ids)
      assert for(%{id: id} <- Manager.list_plugins(instance: instance), do: id) == Enum.sort(ids)
    end
  end

  test "none is initialised before what it needs", %{instance: instance} do
    load = load([{told(:needing, [:needed]), []}, {told(:needed), [:init]}, {told(:other), []}], instance)
    assert_receive {:init, :needed, needed}

    if places() > 1 do
      assert_receive {:init, :other, _}
    end

    refute_received {:init, :needing, _}
    send(needed, :go)
    assert_receive {:init, :needing, _}
    assert {:ok, ids} = Task.await(load)
    assert List.last(ids) == :needing
  end

  test "when one fails, those under way are waited for, stopped, and none begins", %{instance: instance} do
    ids = for n <- 1..(places() + 1), do: :"plugin_#{n}"
    last = ids |> Enum.sort() |> List.last()
    load = load(for(id <- ids, do: {told(id), [:init]}), instance)
    waiting = for _ <- 1..places(), do: assert_receive({:init, _id, _pid})
    [{_, failing, failing_pid} | others] = Enum.sort_by(waiting, &elem(&1, 1))

    monitor = Process.monitor(failing_pid)
    send(failing_pid, {:fail, :no_luck})
    assert_receive {:DOWN, ^monitor, :process, _, _}
    for {_, _, pid} <- others, do: send(pid, :go)

    assert {:error, %Error{plugin: ^failing, step: :init, reason: :no_luck}} = Task.await(load)
    for {_, id, _} <- others, do: assert_received({:stop, ^id, _})
    refute_received {:stop, ^failing, _}
    refute_received {:init, ^last, _}
    assert_nothing_left(instance)
  end

  test "when start/1 of one fails, all are stopped, those that need others first", %{instance: instance} do
    load = load([{told(:a), []}, {told(:b, [:a]), []}, {told(:c, [:b]), [:start]}], instance)
    assert_receive {:start, :c, pid}
    send(pid, {:fail, :no_luck})
    assert {:error, %Error{plugin: :c, step: :start, reason: :no_luck}} = Task.await(load)
    assert [:c, :b, :a] = for(_ <- 1..3, do: with({:stop, id, _} <- assert_receive({:stop, _, _}), do: id))
    assert_nothing_left(instance)
  end

  test "one that takes too long is ended, and keeps no other from its time", %{instance: instance} do
    modules = for n <- 1..(places() + 1), do: {told(:"plugin_#{n}"), if(n == 1, do: [:init], else: [])}

    assert {:error, %Error{plugin: :plugin_1, step: :init, reason: :timeout}} =
             modules |> load(instance, timeout: 50) |> Task.await()

    assert_nothing_left(instance)
  end

  test "one that hangs when it is started again, or stopped, is not in the way of others", %{
    instance: instance
  } do
    {:ok, _} = [{told(:slow), []}, {told(:other), []}] |> load(instance) |> Task.await()
    assert_receive {:start, :slow, slow}
    assert_receive {:start, :other, other}
    # What its init/1 waits for when it runs again is what its configuration says.
    {:ok, info} = {:ok, Registry.get!(Registry.owned(instance), :slow)}
    {:ok, _} = Registry.replace(Registry.owned(instance), put_in(info.config.wait, [:init]))

    Process.exit(slow, :kill)
    assert_receive {:init, :slow, hanging} when hanging != slow
    Process.exit(other, :kill)
    assert_receive {:start, :other, again} when again != other
    send(hanging, :go)
    assert_receive {:start, :slow, ^hanging}

    :ok = RPC.cast(:slow, {:wait, [:stop]}, instance: instance)
    unload = Task.async(fn -> Manager.unload_plugin(:slow, instance: instance) end)
    assert_receive {:stop, :slow, ^hanging}
    Process.exit(again, :kill)
    assert_receive {:start, :other, third} when third != again
    send(hanging, :go)
    assert Task.await(unload) == :ok
  end

  test "one that crashes is started again while the manager is busy", %{instance: instance} do
    {:ok, _} = [{told(:crashing), []}] |> load(instance) |> Task.await()
    assert_receive {:start, :crashing, first}
    load = load([{told(:busy), [:init]}], instance)
    assert_receive {:init, :busy, busy}

    Process.exit(first, :kill)
    assert_receive {:start, :crashing, second} when second != first
    send(busy, :go)
    assert {:ok, [:busy]} = Task.await(load)
    assert %{pid: ^second, state: :started} = Manager.plugin_info!(:crashing, instance: instance)
  end

  test "one that is given up while the manager is busy is failed when it is done", %{instance: instance} do
    {:ok, _} = [{told(:crashing), []}] |> load(instance) |> Task.await()
    :ok = Events.subscribe(self(), :plugin_failed, instance: instance)
    load = load([{told(:busy), [:init]}], instance)
    assert_receive {:init, :busy, busy}

    for _ <- 1..4 do
      assert_receive {:start, :crashing, pid}
      monitor = Process.monitor(pid)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
    end

    assert %{state: :started} = Manager.plugin_info!(:crashing, instance: instance)
    send(busy, :go)
    assert {:ok, [:busy]} = Task.await(load)
    assert_receive {:pipeline_event, {:plugin, :plugin_failed}, %{id: :crashing}}
    assert %{state: :failed, pid: nil} = Manager.plugin_info!(:crashing, instance: instance)
  end

  test "an id that somebody else has registered fails the load and stays", %{instance: instance} do
    registry = Registry.owned(instance)
    {:ok, _} = Registry.register(registry, %{id: :taken, whose: :mine})

    assert {:error, %Error{plugin: :taken, step: :register, reason: {:duplicate_id, :taken}}} =
             [{told(:free), []}, {told(:taken), []}] |> load(instance) |> Task.await()

    assert [%{id: :taken, whose: :mine}] = Registry.list(registry)
    assert %{active: 0} = Supervisor.count_children(Names.whereis(instance, :plugins))
  end
end
