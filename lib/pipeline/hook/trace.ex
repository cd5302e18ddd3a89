defmodule Pipeline.Hook.Trace do
  @moduledoc """
  A running trace, see `Pipeline.Hook.trace/3`.

  `:pid` is a process that ends with the trace; monitor it to be told. `:reference` is in the messages.
  """

  alias Pipeline.Hook.Trace.Run

  @type t :: %__MODULE__{
          reference: reference,
          instance: atom,
          point: Pipeline.Hook.hook_name(),
          pid: pid,
          of: pid | :all,
          to: pid | :tracer,
          show: :keys | [term] | (term -> term),
          left: :atomics.atomics_ref()
        }

  @enforce_keys [:reference, :instance, :point, :pid, :of, :to, :show, :left]
  defstruct @enforce_keys

  @doc false
  # Whether the trace wants this run of the calling process. If so, the run is counted.
  @spec take(t) :: boolean
  def take(%__MODULE__{of: of, pid: tracer, left: left}) do
    (of == self() or (of == :all and tracer != self())) and Process.alive?(tracer) and
      :atomics.sub_get(left, 1, 1) >= 0
  end

  @doc false
  @spec tell(t, Run.t()) :: :ok
  def tell(%__MODULE__{show: show} = trace, run), do: send_run(trace, Run.shown(run, show))

  defp send_run(%__MODULE__{to: :tracer, pid: tracer}, run) do
    send(tracer, {:run, run})
    :ok
  end

  # The run sends the message itself, so that it is there when the run returns.
  defp send_run(%__MODULE__{to: to, pid: tracer, reference: reference}, run) do
    send(to, {:pipeline_trace, reference, run})
    send(tracer, :told)
    :ok
  end

  defimpl Inspect do
    def inspect(trace, _opts), do: "#Pipeline.Hook.Trace<#{Kernel.inspect(trace.point)}>"
  end
end
