defmodule Pipeline.Hook.PropagationTest do
  use Pipeline.InstanceCase, async: true

  @otel :"$__current_otel_ctx"

  defp seeing do
    plugin id: :seeing do
      hook :before, :plain, fun: :see
      hook :before, :timed, fun: :see, timeout: 5_000

      def see(_context, next) do
        next.(%{
          metadata: Logger.metadata(),
          level: Logger.get_process_level(self()),
          otel: Process.get(:"$__current_otel_ctx"),
          tenant: Process.get(:tenant),
          transaction: Process.get(:transaction),
          callers: Process.get(:"$callers"),
          pid: self()
        })
      end
    end
  end

  test "the task of a hook has the caller's log metadata, log level and OpenTelemetry context", context do
    {:ok, _} = Manager.load_plugin(seeing(), %{}, instance: context.instance)
    Logger.metadata(request_id: "abc")
    Logger.put_process_level(self(), :error)
    Process.put(@otel, %{span: 1})
    Process.put(:transaction, :open)

    {:ok, plain} = Hook.run(context.instance, :plain, %{}, nil)
    {:ok, timed} = Hook.run(context.instance, :timed, %{}, nil)
    assert plain.pid == self() and timed.pid != self()
    assert plain.metadata[:request_id] == "abc"
    for key <- [:metadata, :level, :otel], do: assert(Map.fetch!(timed, key) == Map.fetch!(plain, key))
    assert timed.transaction == nil
    assert timed.callers == [self()]
  end

  test "it has nothing where the caller has nothing", context do
    {:ok, _} = Manager.load_plugin(seeing(), %{}, instance: context.instance)
    {:ok, timed} = Hook.run(context.instance, :timed, %{}, nil)
    assert %{level: nil, otel: nil, tenant: nil} = timed
  end
end
