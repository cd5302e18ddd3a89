defmodule Pipeline.Hook.Listeners do
  @moduledoc false
  # Points whose mode is not `:chain`: each hook is called as `(context)`, and none sees another.

  alias Pipeline.Hook.{Compiler, Outcome, Propagation, Registration, Spec}
  alias Pipeline.Instance.Names

  @type run :: (term, Compiler.step() | nil -> Compiler.result() | :ok)

  @typedoc "A point with listeners, as its spec declares it."
  @type point :: %{
          :point => atom,
          :instance => term,
          :mode => Spec.mode(),
          :listening => Spec.listening(),
          optional(atom) => term
        }

  # The value of a listener that was left out of the run.
  @left_out :"$pipeline_left_out"

  @doc "Compiles the listeners of a point."
  @spec compile(point, [Registration.t()], Compiler.instrument() | nil) :: run
  def compile(%{mode: mode, listening: %{concurrency: concurrency}} = point, hooks, instrument \\ nil) do
    listeners =
      for {hook, place} <- Enum.with_index(hooks) do
        listener = Compiler.single(hook, place, fn _context -> @left_out end, instrument)
        if point.listening.tagged, do: tagged(listener, hook.plugin, mode), else: listener
      end

    concurrency = min(concurrency, length(listeners))

    fn context, core ->
      check_core!(core, point)

      ended =
        if concurrency > 1,
          do: side_by_side(listeners, context, point.instance, concurrency, mode),
          else: Enum.reduce_while(listeners, [], &gather(mode, &1.(context), &2))

      finish(mode, ended, context, core)
    end
  end

  defp tagged(listener, plugin, mode) do
    fn context ->
      case listener.(context) do
        {:ok, value} when value != @left_out and (value != nil or mode != :first) -> {:ok, {plugin, value}}
        result -> result
      end
    end
  end

  defp check_core!(_core, %{mode: :first}), do: :ok

  # The identity stands for no base operation.
  defp check_core!(core, %{point: point, mode: mode}) do
    unless core == nil or core === (&Function.identity/1) do
      raise ArgumentError,
            "the hook point #{inspect(point)} runs as #{inspect(mode)}, which has no base operation: run it without one"
    end
  end

  # Results come in the order of the listeners. Those that run when the result of the point is known are
  # killed.
  defp side_by_side(listeners, context, instance, concurrency, mode) do
    supervisor = Names.via(instance || Pipeline.Instance.default(), :hook_tasks)
    propagate = Propagation.capture()

    call = fn listener ->
      propagate.()
      Outcome.of(listener, context)
    end

    supervisor
    |> Task.Supervisor.async_stream_nolink(listeners, call, max_concurrency: concurrency, timeout: :infinity)
    |> Enum.reduce_while([], fn
      {:ok, outcome}, values -> gather(mode, Outcome.yield(outcome), values)
      {:exit, reason}, _values -> exit(reason)
    end)
  end

  defp gather(:notify, _result, values), do: {:cont, values}
  defp gather(_mode, {:ok, @left_out}, values), do: {:cont, values}
  defp gather(:first, {:ok, nil}, values), do: {:cont, values}
  defp gather(:collect, {:ok, value}, values), do: {:cont, [value | values]}
  defp gather(_mode, result, _values), do: {:halt, result}

  defp finish(:notify, _values, _context, _core), do: :ok
  defp finish(:first, [], _context, nil), do: {:ok, nil}
  defp finish(:first, [], context, core), do: Compiler.alone(context, core)
  defp finish(:collect, values, _context, _core) when is_list(values), do: {:ok, Enum.reverse(values)}
  defp finish(_mode, result, _context, _core), do: result
end
