defmodule Pipeline.Plugin.FaultInjectionTest do
  # Plugins come, go, crash, are configured and upgraded, and what keeps them is killed, at random, also in the middle of
  # that, while hooks run and plugins are called without pause. A model says what has to be there whenever all is at rest.
  # In a VM of its own, which has nothing left of it in the end.
  #
  #     PIPELINE_FAULT_STEPS=5000 PIPELINE_SEED=42 mix test test/pipeline/plugin/fault_injection_test.exs
  use ExUnit.Case, async: true

  @steps System.get_env("PIPELINE_FAULT_STEPS", "120")

  @tag timeout: :infinity
  test "registry, processes, chains and answers are what a model says after every step, and nothing is left" do
    seed = System.get_env("PIPELINE_SEED", "#{:rand.uniform(1_000_000)}")
    script = ["-pa", Application.app_dir(:pipeline_plugin, "ebin"), "-e"]
    main = "Pipeline.FaultInjection.main(System.argv())"
    env = [{"ERL_CRASH_DUMP_SECONDS", "0"}]
    {output, status} = System.cmd("elixir", script ++ [main, @steps, seed], stderr_to_stdout: true, env: env)
    assert status == 0, "PIPELINE_SEED=#{seed}\n" <> output
  end
end
