defmodule Pipeline.Native.PurgeTest do
  # In a VM of its own, which may not live through it: a native function that is on a dirty scheduler when its process is
  # killed and its module purged goes on, and makes a resource when it is done.
  use ExUnit.Case, async: true

  @moduletag timeout: :infinity

  @script """
  patterns = for n <- 1..100, do: "[a-z]{3,20}\#{n}[0-9]{1,50}"
  native = Pipeline.Native
  make = fn -> native.native_hook(:redact, %{field: :a, patterns: patterns}) end
  # Nothing of it is left, so that the VM may free the type.
  {pid, monitor} = spawn_monitor(fn -> {:ok, _} = make.() end)
  receive do: ({:DOWN, ^monitor, _, ^pid, :normal} -> :ok)

  for _ <- 1..60 do
    parent = self()

    {pid, monitor} =
      spawn_monitor(fn ->
        send(parent, :begins)
        make.()
      end)

    receive do: (:begins -> Process.sleep(1))
    Process.exit(pid, :kill)
    receive do: ({:DOWN, ^monitor, _, ^pid, _} -> :ok)
    for process <- Process.list(), do: :erlang.garbage_collect(process)
    :code.purge(native)
    :code.delete(native)
    :code.purge(native)
    # What the VM has freed, it gives to others.
    for n <- 1..3_000, table = :ets.new(:any, []), :ets.insert(table, {1, n}), do: :ets.delete(table)
    {:module, _} = :code.ensure_loaded(native)
    {:ok, _} = make.()
  end

  IO.puts("lived")
  """

  test "functions of a purged library end as they should" do
    ebin = Application.app_dir(:pipeline_plugin, "ebin")
    env = [{"ERL_CRASH_DUMP_SECONDS", "0"}]

    {output, status} = System.cmd("elixir", ["-pa", ebin, "-e", @script], stderr_to_stdout: true, env: env)

    assert {status, output} == {0, "lived\n"}
  end
end
