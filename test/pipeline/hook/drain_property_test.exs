defmodule Pipeline.Hook.DrainPropertyTest do
  # Processes run a point, and are killed, while its plugins come and go. The hooks themselves tell who is in them, so what
  # a drain says is held against something that knows nothing of counts.
  use Pipeline.InstanceCase, async: true

  @rounds String.to_integer(System.get_env("PIPELINE_DRAINS", "60"))
  @runners 12
  @ids [:a, :b, :c]

  test "when a drain returns nobody is in the hooks that went", %{instance: instance} do
    inside = :ets.new(:inside, [:public, :set, write_concurrency: true])
    :persistent_term.put({__MODULE__, instance}, inside)
    on_exit(fn -> :persistent_term.erase({__MODULE__, instance}) end)
    seed = :rand.uniform(1_000_000)
    :rand.seed(:exsss, seed)
    modules = for id <- @ids, into: %{}, do: {id, compile(id)}
    for {id, module} <- modules, do: {:ok, ^id} = Manager.load_plugin(module, %{}, instance: instance)
    {:ok, upset} = Task.start_link(fn -> upset(instance, for(_ <- 1..@runners, do: start(instance))) end)

    counted =
      for round <- 1..@rounds do
        id = Enum.random(@ids)
        force? = :rand.uniform(4) == 1
        timeout = Enum.random([0, 1, 5, 30_000])
        opts = [instance: instance, drain_timeout: timeout, force: force?]

        case Manager.unload_plugin(id, opts) do
          :ok ->
            assert_nobody(inside, id, "round #{round}, seed #{seed}")
            {:ok, ^id} = Manager.load_plugin(modules[id], %{}, instance: instance)
            :went

          {:error, %Error{reason: {:still_running, [_ | _]}}} ->
            # It stays, and is there.
            refute force?
            :stayed
        end
      end

    assert :went in counted
    send(upset, {:stop, self()})
    assert_receive {:stopped, runners}, 5_000
    for {pid, monitor} <- runners, do: stop(pid, monitor)

    # With nobody left, everything can go at once.
    for id <- @ids, do: assert(:ok = Manager.unload_plugin(id, instance: instance, drain_timeout: 60_000))
  end

  # Processes that are killed leave their rows.
  defp assert_nobody(inside, id, where) do
    for {{^id, pid, _} = key} <- :ets.match_object(inside, {{id, :_, :_}}) do
      if Process.alive?(pid) do
        # It may have left between the two looks.
        refute :ets.member(inside, key) and Process.alive?(pid), "#{inspect(pid)} is in #{id}, #{where}"
      else
        :ets.delete(inside, key)
      end
    end
  end

  defp compile(id) do
    plugin id: id do
      hook :around, :step, on_error: :raise
      def step(context, next), do: Pipeline.Hook.DrainPropertyTest.within(__plugin__().id, context, next)
    end
  end

  @doc false
  def within(id, %{instance: instance} = context, next) do
    key = {id, self(), make_ref()}
    inside = :persistent_term.get({__MODULE__, instance})
    :ets.insert(inside, {key})

    try do
      dawdle()
      if :rand.uniform(30) == 1, do: raise("failed")
      if :rand.uniform(20) == 1, do: Hook.run(instance, :step, context, nil)
      next.(context)
    after
      dawdle()
      :ets.delete(inside, key)
    end
  end

  defp dawdle do
    case :rand.uniform(20) do
      1 -> Process.sleep(:rand.uniform(3))
      n when n < 5 -> :erlang.yield()
      _ -> :ok
    end
  end

  defp start(instance), do: spawn_monitor(fn -> run(instance) end)

  defp run(instance) do
    try do
      if :rand.uniform(2) == 1,
        do: Hook.run(instance, :step, %{instance: instance}, nil),
        else: Hook.run(instance, :step, %{instance: instance}, fn context -> context end)
    rescue
      RuntimeError -> :failed
    end

    run(instance)
  end

  # Kills one of the processes again and again, and starts another.
  defp upset(instance, runners) do
    receive do
      {:stop, test} -> send(test, {:stopped, runners})
    after
      :rand.uniform(4) ->
        {{pid, monitor}, rest} = List.pop_at(runners, :rand.uniform(@runners) - 1)
        stop(pid, monitor)
        upset(instance, [start(instance) | rest])
    end
  end

  defp stop(pid, monitor) do
    Process.exit(pid, :kill)
    receive(do: ({:DOWN, ^monitor, :process, ^pid, _reason} -> :ok), after: (1_000 -> :ok))
  end
end
