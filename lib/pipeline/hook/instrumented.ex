defmodule Pipeline.Hook.Instrumented do
  @moduledoc false
  # A run that is measured, sampled or traced: its chain is compiled for it, with a clock around each call.

  alias Pipeline.Hook.{Chain, Compiler, Instrument, Measurement, PointCounters, Sampling, Trace, TracedRun}

  @doc "Runs a chain, in a phase in which it is measured or not, with the traces that want this run."
  @spec run(Chain.t(), term, Compiler.step() | nil, PointCounters.phase()) :: Chain.result()
  def run(%Chain{traces: []} = chain, context, core, phase), do: run(chain, context, core, phase, [])

  def run(chain, context, core, phase),
    do: run(chain, context, core, phase, Enum.filter(chain.traces, &Trace.take/1))

  defp run(chain, context, core, 0, []) do
    if Sampling.take?(chain),
      do: observed(chain, chain.stages, context, core, Sampling.observe(chain.instance)),
      else: Chain.run(chain, context, core)
  end

  defp run(chain, context, core, 0, traces),
    do: traced(chain, context, core, traces, fn _, _, _, _ -> :ok end)

  defp run(chain, context, core, phase, traces) do
    Measurement.run(chain.counters, phase, fn observe ->
      cond do
        traces != [] ->
          traced(chain, context, core, traces, observe)

        Sampling.take?(chain) ->
          observed(chain, chain.stages, context, core, both(observe, Sampling.observe(chain.instance)))

        true ->
          observed(chain, chain.stages, context, core, observe)
      end
    end)
  end

  defp traced(chain, context, core, traces, observe) do
    TracedRun.run(traces, chain, fn note ->
      observed(chain, chain.single, context, core, both(observe, note))
    end)
  end

  defp both(one, other) do
    fn stage, outcome, start, nanoseconds ->
      one.(stage, outcome, start, nanoseconds)
      other.(stage, outcome, start, nanoseconds)
    end
  end

  defp observed(chain, stages, context, core, observe),
    do: Chain.run(chain, stages, context, core, Instrument.new(length(stages), observe))
end
