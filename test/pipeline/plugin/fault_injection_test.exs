defmodule Pipeline.Plugin.FaultInjectionTest do
  # Plugins come, go, crash and are upgraded, and what keeps them is killed, at random, while hooks run without pause. A
  # model of a few lines says what has to be there after each step.
  #
  #     PIPELINE_FAULT_STEPS=5000 PIPELINE_SEED=42 mix test test/pipeline/plugin/fault_injection_test.exs
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.Names

  @steps String.to_integer(System.get_env("PIPELINE_FAULT_STEPS", "60"))

  # What each needs: plugins, or any provider of a capability.
  @needs %{a: [], b: [:a], c: [:a], d: [:b, :c], e: [], f: [{:capability, :k}]}
  @capable %{a: [:k], e: [:k]}
  @ids Map.keys(@needs)

  @versions 3

  # As many restarts in a row as a plugin may have.
  @restarts 3

  # As many of what keeps the plugins as the instance starts again in 5 seconds, and some less.
  @kills 18

  defp versions do
    for id <- @ids, number <- 0..(@versions - 1), into: %{}, do: {{id, number}, version(id, number)}
  end

  defp version(id, number) do
    name = :"Elixir.Pipeline.FaultPlugin#{System.unique_integer([:positive])}"
    version = "1.#{number}.0"

    Module.create(
      name,
      quote do
        use Pipeline.Plugin, id: unquote(id), version: unquote(version)

        unquote_splicing(
          for need <- @needs[id] do
            case need do
              {:capability, capability} -> quote(do: depends_on(capability: unquote(capability)))
              other -> quote(do: depends_on(unquote(other)))
            end
          end
        )

        unquote_splicing(for c <- Map.get(@capable, id, []), do: quote(do: capability(unquote(c), true)))

        hook :before, :step, fun: :enter do
          def enter(context, next), do: next.([{:enter, unquote(id), unquote(version)} | context])
        end

        hook :after, :step, fun: :leave do
          def leave(result, next), do: next.([{:leave, unquote(id), unquote(version)} | result])
        end

        hook :before, :other, native: :increment, config: %{field: unquote(id)}
      end,
      __ENV__
    )

    on_exit(fn -> Pipeline.InstanceCase.remove(name) end)
    name
  end

  # The model: `%{id => {state, version number}}`; plugins that are not loaded are not in it.

  defp running(model), do: for({id, {:started, _}} <- model, do: id)

  defp met?(model, id, running \\ nil) do
    running = running || running(model)

    Enum.all?(@needs[id], fn
      {:capability, capability} -> Enum.any?(running, &(&1 != id and capability in Map.get(@capable, &1, [])))
      other -> other in running
    end)
  end

  # Those that cannot stay when some go, in turn.
  defp hold(model) do
    case for id <- running(model), not met?(model, id), do: id do
      [] -> model
      ids -> ids |> Enum.reduce(model, &put(&2, &1, :held)) |> hold()
    end
  end

  defp release(model) do
    case for {id, {:held, _}} <- model, met?(model, id), do: id do
      [] -> model
      ids -> ids |> Enum.reduce(model, &put(&2, &1, :started)) |> release()
    end
  end

  defp put(model, id, state), do: Map.update!(model, id, fn {_state, version} -> {state, version} end)

  # The dependents of one that runs.
  defp dependents(model, id) do
    rest = running(model) -- [id]
    for other <- rest, not met?(model, other, rest), do: other
  end

  # Each step does something, checks what came of it, and returns the model.

  defp step(:load, id, %{model: model} = test) do
    result = Manager.load_plugin(test.versions[{id, 0}], %{}, opts(test))

    cond do
      is_map_key(model, id) ->
        assert {:error, %LoadError{reason: {:already_loaded, ^id}}} = result
        model

      met?(model, id) ->
        assert result == {:ok, id}
        release(Map.put(model, id, {:started, 0}))

      true ->
        assert {:error, %LoadError{step: :resolve}} = result
        model
    end
  end

  defp step(:unload, id, %{model: model} = test) do
    result = Manager.unload_plugin(id, opts(test))

    case {model[id], dependents(model, id)} do
      {nil, _} ->
        assert result == {:error, {:not_loaded, id}}
        model

      {{:started, _}, [_ | _] = dependents} ->
        assert {:error, {:required_by, ids}} = result
        assert Enum.sort(ids) == Enum.sort(dependents)
        model

      _ ->
        assert result == :ok
        Map.delete(model, id)
    end
  end

  defp step(:disable, id, %{model: model} = test) do
    result = Manager.disable_plugin(id, opts(test))

    if is_map_key(model, id) do
      assert result == :ok
      hold(put(model, id, :stopped))
    else
      assert result == {:error, {:not_loaded, id}}
      model
    end
  end

  defp step(:enable, id, %{model: model} = test) do
    result = Manager.enable_plugin(id, opts(test))

    case {model[id], met?(model, id)} do
      {nil, _} ->
        assert result == {:error, {:not_loaded, id}}
        model

      {{:started, _}, _} ->
        assert result == {:error, {:already_started, id}}
        model

      {_, true} ->
        assert result == {:ok, :started}
        release(put(model, id, :started))

      {_, false} ->
        assert result == {:ok, :held}
        put(model, id, :held)
    end
  end

  defp step(:upgrade, id, %{model: model} = test) do
    number = with({_, number} <- model[id], do: rem(number + 1, @versions)) || 1
    result = Manager.upgrade_plugin(id, test.versions[{id, number}], opts(test))

    case model[id] do
      nil ->
        assert result == {:error, {:not_loaded, id}}
        model

      {:started, _} ->
        assert result == {:ok, "1.#{number}.0"}
        Map.put(model, id, {:started, number})

      {state, _} ->
        assert result == {:error, {state, id}}
        model
    end
  end

  defp step(:fail, id, %{model: model} = test) do
    if id in running(model) do
      kill_until_failed(id, test)
      hold(put(model, id, :failed))
    else
      model
    end
  end

  defp step(:crash, id, %{model: model} = test) do
    if id in running(model) and crashes(test, id) < @restarts do
      :ets.update_counter(test.crashes, restarts(test, id), 1, {restarts(test, id), 0})
      kill(Names.whereis(test.instance, {:plugin, id}))
    end

    model
  end

  defp step(:kill_manager, _id, test), do: kill_role(:manager, test)
  defp step(:kill_all_plugins, _id, test), do: kill_role(:plugin_supervisor, test)

  defp kill_role(role, test) do
    if kills(test) < @kills do
      :ets.insert(test.crashes, {{:kill, now()}, role})
      kill(Names.whereis(test.instance, role))
    end

    test.model
  end

  # Those that the instance has not forgotten.
  defp kills(test),
    do: :ets.select_count(test.crashes, [{{{:kill, :"$1"}, :_}, [{:>, :"$1", now() - 5_500}], [true]}])

  defp now, do: System.monotonic_time(:millisecond)

  defp opts(test), do: [instance: test.instance]
  # What counts them, which a plugin has anew when it is started and not restarted.
  defp restarts(test, id), do: Registry.get(Registry.of(test.instance), id).restarts
  defp crashes(test, id), do: with([{_, n}] <- :ets.lookup(test.crashes, restarts(test, id)), do: n) || 0

  defp kill_until_failed(id, test) do
    with pid when pid != nil <- Names.whereis(test.instance, {:plugin, id}), do: kill(pid)

    receive do
      {:pipeline_event, {:plugin, :plugin_failed}, %{id: ^id}} -> :ok
    after
      0 -> kill_until_failed(id, test)
    end
  end

  defp kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _}, 5_000
  end

  # The instance answers once it has restarted what was killed, and the manager once it has recovered.
  defp settle(test) do
    _ = test.instance |> Names.whereis(:instance) |> Supervisor.which_children()
    {:error, {:not_loaded, :nobody}} = Manager.unload_plugin(:nobody, opts(test))

    # It answers once it has started again what crashed.
    _ = test.instance |> Names.whereis(:plugins) |> Supervisor.which_children()
  end

  defp check(%{model: model, instance: instance}) do
    found =
      for info <- Manager.list_plugins(instance: instance),
          into: %{},
          do: {info.id, {info.state, info.version}}

    assert found == Map.new(model, fn {id, {state, number}} -> {id, {state, "1.#{number}.0"}} end)

    running = running(model)

    for id <- @ids do
      assert is_pid(Names.whereis(instance, {:plugin, id})) == id in running, "the process of #{id}"
    end

    hooks = for hook <- Hook.chain(:step, instance: instance), do: hook.plugin
    assert Enum.sort(hooks) == Enum.sort(running ++ running)
    native = for hook <- Hook.chain(:other, instance: instance), do: hook.plugin
    assert Enum.sort(native) == Enum.sort(running)

    capable = for id <- running, :k in Map.get(@capable, id, []), do: id
    assert Enum.sort(Manager.get_by_capability(:k, instance: instance)) == Enum.sort(capable)
  end

  # Runs without pause; each has to be on one chain, with all hooks of each plugin or none.
  defp dispatch(instance, runs \\ 0) do
    receive do
      {:stop, from} -> send(from, {:ran, runs})
    after
      0 ->
        {:ok, seen} = Hook.run(instance, :step, [], nil)
        entered = for {:enter, id, version} <- seen, do: {id, version}
        left = for {:leave, id, version} <- seen, do: {id, version}
        true = Enum.sort(entered) == Enum.sort(left)
        true = length(Enum.uniq_by(entered, &elem(&1, 0))) == length(entered)
        {:ok, %{}} = Hook.run(instance, :other, Map.new(@ids, &{&1, 0}), nil)
        dispatch(instance, runs + 1)
    end
  end

  @operations [:load, :load, :load, :unload, :disable, :enable, :enable, :upgrade, :fail, :crash, :crash] ++
                [:kill_manager, :kill_all_plugins]

  @tag timeout: :infinity
  test "registry, processes and chains are what a model says after every step", %{instance: instance} do
    seed = String.to_integer(System.get_env("PIPELINE_SEED", "#{:rand.uniform(1_000_000)}"))
    :rand.seed(:exsss, {seed, 1, 2})
    for event <- [:plugin_failed], do: :ok = Events.subscribe(self(), event, instance: instance)

    dispatchers = for _ <- 1..2, do: spawn_link(fn -> dispatch(instance) end)
    test = %{instance: instance, model: %{}, versions: versions(), crashes: :ets.new(:crashes, [:set])}

    ExUnit.CaptureLog.capture_log(fn ->
      Enum.reduce(1..@steps, test, fn number, test ->
        {operation, id} = {Enum.random(@operations), Enum.random(@ids)}

        try do
          test = %{test | model: step(operation, id, test)}
          settle(test)
          check(test)
          test
        rescue
          error in ExUnit.AssertionError ->
            message =
              "step #{number}, #{operation} #{id}, of PIPELINE_SEED=#{seed}, in #{inspect(test.model)}: "

            reraise %{error | message: message <> error.message}, __STACKTRACE__
        end
      end)
    end)

    for pid <- dispatchers do
      send(pid, {:stop, self()})
      assert_receive {:ran, runs} when runs > 0, 5_000
    end
  end
end
