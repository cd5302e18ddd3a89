defmodule TextNodes.Handler do
  @moduledoc "Executes the node types of `TextNodes`."

  @behaviour Pipeline.NodeHandler

  alias Pipeline.{Hook, Provider}

  @impl Pipeline.NodeHandler
  def execute(%{type: :split}, text, _environment) when is_binary(text) do
    {:ok, String.split(text, ~r/\n\s*\n/, trim: true)}
  end

  def execute(%{type: :redact}, paragraphs, environment) do
    each(paragraphs, &through(:redact_text, &1, :text, environment.instance))
  end

  def execute(%{type: :summarise, config: config}, text, environment) do
    request = %{task: :summarise, input: text, options: config}

    with {:ok, response} <- Provider.generate(request, instance: environment.instance),
         do: {:ok, response.text}
  end

  def execute(%{type: :count_tokens}, texts, environment) when is_map(texts) do
    with {:ok, counts} <- each(texts, fn {node, text} -> count(node, text, environment.instance) end) do
      {:ok, Map.new(counts)}
    end
  end

  defp count(node, text, instance) do
    with {:ok, tokens} <- through(:count_text, text, :tokens, instance), do: {:ok, {node, tokens}}
  end

  defp through(point, text, result, instance) do
    with {:ok, context} <- Hook.run(instance, point, %{text: text}, &Function.identity/1) do
      {:ok, Map.fetch!(context, result)}
    end
  end

  defp each(items, fun) do
    Enum.reduce_while(items, {:ok, []}, fn item, {:ok, done} ->
      case fun.(item) do
        {:ok, result} -> {:cont, {:ok, [result | done]}}
        error -> {:halt, error}
      end
    end)
    |> case do
      {:ok, done} -> {:ok, Enum.reverse(done)}
      error -> error
    end
  end
end
