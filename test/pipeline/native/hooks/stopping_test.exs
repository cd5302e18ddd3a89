defmodule Pipeline.Native.Hooks.StoppingTest do
  # A VM stops while native hooks run, in VMs of their own.
  use ExUnit.Case, async: true

  @moduletag timeout: :infinity

  # `spin` keeps its scheduler for an hour.
  @spin """
  {:ok, hook} = VmHooks.native_hook(:spin, %{micros: :micros, on: :on})
  segment = VmHooks.segment(:before, [{hook, :halt}])
  parent = self()

  spawn(fn ->
    send(parent, :started)
    VmHooks.run_segment_dirty(segment, %{micros: 3_600_000_000})
  end)

  receive do: (:started -> :ok)
  """

  test "by System.stop/1" do
    assert {_, 0} = elixir(@spin <> "System.stop(0); Process.sleep(:infinity)")
  end

  test "by System.halt/1" do
    assert {_, 0} = elixir(@spin <> "System.halt(0)")
  end

  test "by a signal" do
    assert {output, _} =
             elixir(@spin <> ~s|System.cmd("kill", ["-TERM", System.pid()]); Process.sleep(:infinity)|)

    refute output =~ "rror"
  end

  # The loss of a normal scheduler the VM would not survive.
  test "since a hook that takes long does not start on a normal scheduler" do
    heavy = [
      template: %{template: "{{ t }}", into: :out},
      summarise: %{field: :t, into: :out},
      json_schema: %{field: :t, schema: %{}},
      redact: %{field: :t, patterns: ["x"]}
    ]

    for {name, config} <- heavy do
      {:ok, hook} = Pipeline.Native.native_hook(name, config)
      segment = Pipeline.Native.segment(:before, [{hook, :halt}])
      assert {:ok, _} = Pipeline.Native.run_segment(segment, %{t: String.duplicate("text ", 10_000)})
      assert %{moved: 1} = Pipeline.Native.segment_stats(segment), "#{name}"
    end
  end

  defp elixir(source) do
    ebin = Application.app_dir(:pipeline_plugin, "ebin")
    env = [{"ERL_CRASH_DUMP_SECONDS", "0"}]
    System.cmd("elixir", ["-pa", ebin, "-e", source], stderr_to_stdout: true, env: env)
  end
end
