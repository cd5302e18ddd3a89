defmodule Pipeline.Hook.Listeners do
  @moduledoc false
  # Points whose mode is not `:chain`: each hook is called as `(context)`, and none sees another.

  alias Pipeline.Hook.{Compiler, Registration, Spec}

  # The value of a listener that was left out of the run.
  @left_out :"$pipeline_left_out"

  @type run :: (term, Compiler.step() | nil -> Compiler.result() | :ok)

  @doc "Compiles the listeners of a point for its mode."
  @spec compile(Spec.mode(), atom, [Registration.t()], Compiler.instrument() | nil) :: run
  def compile(mode, point, hooks, instrument \\ nil) do
    listeners =
      for {hook, place} <- Enum.with_index(hooks) do
        Compiler.single(hook, place, fn _context -> @left_out end, instrument)
      end

    close(mode, point, listeners)
  end

  defp close(:first, _point, listeners), do: fn context, core -> first(listeners, context, core) end

  defp close(mode, point, listeners) do
    fn context, core ->
      check_core!(core, point, mode)
      if mode == :collect, do: collect(listeners, context, []), else: notify(listeners, context)
    end
  end

  # The identity stands for no base operation.
  defp check_core!(core, point, mode) do
    unless core == nil or core === (&Function.identity/1) do
      raise ArgumentError,
            "the hook point #{inspect(point)} runs as #{inspect(mode)}, which has no base operation: run it without one"
    end
  end

  defp first([], _context, nil), do: {:ok, nil}
  defp first([], context, core), do: Compiler.alone(context, core)

  defp first([listener | listeners], context, core) do
    case listener.(context) do
      {:ok, value} when value in [nil, @left_out] -> first(listeners, context, core)
      result -> result
    end
  end

  defp collect([], _context, values), do: {:ok, Enum.reverse(values)}

  defp collect([listener | listeners], context, values) do
    case listener.(context) do
      {:ok, @left_out} -> collect(listeners, context, values)
      {:ok, value} -> collect(listeners, context, [value | values])
      {:error, reason} -> {:error, reason}
    end
  end

  defp notify(listeners, context), do: Enum.each(listeners, & &1.(context))
end
