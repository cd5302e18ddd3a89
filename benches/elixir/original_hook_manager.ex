defmodule Bench.OriginalHookManager do
  @moduledoc """
  `Pipeline.Hook.Manager` of the original architecture document.

  As written there, with `insert_by_priority/2` added, which the document leaves out. The chain is built anew at each
  run.
  """

  defstruct hooks: %{}

  def new, do: %__MODULE__{}

  def register(manager, hook_name, hook_fn, opts \\ []) do
    priority = opts[:priority] || 50
    hook = {priority, hook_fn}

    new_hooks = Map.update(manager.hooks, hook_name, [hook], &insert_by_priority(&1, hook))
    %{manager | hooks: new_hooks}
  end

  def run(manager, hook_name, context) do
    case Map.get(manager.hooks, hook_name, []) do
      [] ->
        {:ok, context}

      hooks ->
        run_hook_chain(hooks, context)
    end
  end

  defp run_hook_chain(hooks, initial_context) do
    # Build the chain of functions
    chain =
      Enum.reduce(hooks, &identity/1, fn {_priority, hook_fn}, next ->
        fn context -> hook_fn.(context, next) end
      end)

    try do
      {:ok, chain.(initial_context)}
    catch
      :throw, {:hook_error, reason} -> {:error, reason}
    end
  end

  defp identity(x), do: x

  # The reduction above makes the last of the list the outermost, so the highest priority comes last.
  defp insert_by_priority(hooks, {priority, _} = hook) do
    {lower, higher} = Enum.split_while(hooks, fn {other, _} -> other < priority end)
    lower ++ [hook | higher]
  end
end
