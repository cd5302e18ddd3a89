defmodule Pipeline.Hook.Policy.When do
  @moduledoc false
  # `when:`. Leaves the hook out of a run whose context does not meet a condition.

  @behaviour Pipeline.Hook.Policy

  @typedoc "A function of the context, or fields that the context has to have with these values."
  @type condition :: (term -> as_boolean(term)) | map

  @impl true
  def wrap(fun, condition, _hook) do
    met? = test(condition)
    fn context, next -> if met?.(context), do: fun.(context, next), else: next.(context) end
  end

  defp test(condition) when is_function(condition), do: condition

  defp test(fields) do
    case Map.to_list(fields) do
      [{field, value}] ->
        &match?(%{^field => ^value}, &1)

      fields ->
        fn context -> Enum.all?(fields, fn {field, value} -> match?(%{^field => ^value}, context) end) end
    end
  end
end
