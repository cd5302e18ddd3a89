defmodule Bench.Closures do
  @moduledoc """
  The quickest dispatcher in Elixir alone that still knows whose hook failed: closures nested once, when the hooks
  change, each with a `try` of its own, in a persistent term with an atom for its key.

  It counts nothing, knows no instances, modes or options, and puts a point's name among everybody's persistent terms.
  """

  def put(point, hooks) do
    chain =
      hooks
      |> Enum.reverse()
      |> Enum.reduce(fn context -> context end, fn {owner, hook}, next ->
        fn context ->
          try do
            hook.(context, next)
          catch
            :throw, {__MODULE__, _, _, _, _} = failed -> throw(failed)
            :throw, {:hook_error, _} = refused -> throw(refused)
            kind, reason -> throw({__MODULE__, owner, kind, reason, __STACKTRACE__})
          end
        end
      end)

    :persistent_term.put(point, chain)
  end

  def run(point, context) do
    case :persistent_term.get(point, nil) do
      nil -> {:ok, context}
      chain -> {:ok, chain.(context)}
    end
  catch
    :throw, {:hook_error, reason} -> {:error, reason}
    :throw, {__MODULE__, _owner, _kind, _reason, _stacktrace} = failed -> {:error, failed}
  end
end
