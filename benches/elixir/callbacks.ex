defmodule Bench.Callbacks do
  @moduledoc """
  The shape that message brokers on the BEAM use: an ordered list of functions by name in a persistent term, each
  applied in a `try` of its own.
  """

  def put(point, callbacks), do: :persistent_term.put({__MODULE__, point}, callbacks)

  def run(point, context), do: fold(:persistent_term.get({__MODULE__, point}, []), context)

  defp fold([], context), do: {:ok, context}

  defp fold([{module, function} | rest], context) do
    case safely(module, function, context) do
      {:ok, context} -> fold(rest, context)
      {:stop, context} -> {:ok, context}
      {:error, _} = error -> error
    end
  end

  defp safely(module, function, context) do
    apply(module, function, [context])
  catch
    kind, reason -> {:error, {module, function, kind, reason, __STACKTRACE__}}
  end
end
