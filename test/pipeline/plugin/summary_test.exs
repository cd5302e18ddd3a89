defmodule Pipeline.Plugin.SummaryTest do
  use Pipeline.InstanceCase, async: true

  doctest Pipeline.Plugin.Summary

  defmodule Hooks do
    use Pipeline.Hook.Spec
    hookpoint :admit, fail: :closed
    hookpoint :work
  end

  @tag hooks: Hooks
  @tag :capture_log
  test "shows what runs and what does not, and why", %{instance: instance} do
    opts = [instance: instance]

    working =
      plugin id: :working, version: "1.2.3" do
        hook :before, :work, on_error: :skip, circuit: [failures: 2] do
          def work(_context, _next), do: raise("no luck")
        end

        @impl Pipeline.Plugin
        def handle_rpc(:known, state), do: {:reply, :ok, state}
      end

    guard =
      plugin id: "guard\n", on_rpc_error: :crash do
        hook :before, :admit do
          def admit(context, next), do: next.(context)
        end
      end

    {:ok, _} = Manager.load_plugins([working, guard], opts)
    for _ <- 1..3, do: Hook.run(instance, :work, 1, nil)
    {:error, {:unknown_request, :working}} = Pipeline.Plugin.RPC.call(:working, :unknown, 5_000, opts)
    :ok = Manager.hold_plugin("guard\n", opts)

    assert %{plugins: [first, second], closed: %{admit: %{"guard\n" => :held}}, lacking: [_]} =
             summary = Manager.summary(opts)

    assert %{id: :working, state: :started, runs: 3, failures: 2, rpc_errors: 1, open_circuits: [:work]} =
             first

    assert %{id: "guard\n", state: :held, memory: nil, runs: 0} = second

    assert [head, columns, one, two, closed, not_ready] = summary |> to_string() |> String.split("\n")
    assert head =~ "2 plugins, not ready"
    assert columns =~ ~r/^plugin +version +state +restarts +memory +rpc errors +runs +failures +remarks$/
    assert one =~ ~r/^:working +1\.2\.3 +started +0 +\d+ KiB +1 +3 +2 +circuit open on :work$/
    assert two =~ ~r/^"guard\\n" +1\.0\.0 +held +- +- +- +0 +0/
    assert closed == ~S(closed: :admit, since "guard\n" is held)
    assert not_ready == ~S(not ready: "guard\n", {:state, :held})

    assert {:ok, data} = summary |> Pipeline.Plugin.Summary.to_json() |> Pipeline.JSON.decode()
    assert data["instance"] == inspect(instance)

    assert [%{"id" => ":working", "runs" => 3, "open_circuits" => [":work"]}, %{"memory" => nil}] =
             data["plugins"]

    assert data["closed"] == %{":admit" => %{~S("guard\n") => "held"}}
    assert data["lacking"] == [%{"plugin" => ~S("guard\n"), "reason" => "{:state, :held}"}]
  end
end
