defmodule Mix.Pipeline.Children do
  @moduledoc false
  # Adds to lists in a source that a generator changes: the children of a supervisor, and application/0 of a mix.exs.

  @doc """
  Adds a child before the first endpoint among `children = [...]`, otherwise as the first.

  An endpoint is a module of that name, as Phoenix writes it.
  """
  @spec add(String.t(), child :: String.t()) :: {:ok, String.t()} | :error
  def add(source, child) do
    with {:ok, ast} <- quoted(source),
         {:ok, meta, elements} <- find(ast, &children/1) do
      {:ok, insert(source, place(meta, elements), child, elements)}
    end
  end

  @doc "Adds an entry to the list that `application/0` of a `mix.exs` returns."
  @spec add_mod(String.t(), entry :: String.t()) :: {:ok, String.t()} | :error
  def add_mod(source, entry) do
    with {:ok, ast} <- quoted(source),
         {:ok, meta, elements} <- find(ast, &application/1) do
      {:ok, insert(source, after_bracket(meta), entry, elements)}
    end
  end

  # Lists and tuples with the places where they stand.
  defp quoted(source) do
    with {:error, _} <-
           Code.string_to_quoted(source, columns: true, literal_encoder: &{:ok, {:__block__, &2, [&1]}}),
         do: :error
  end

  defp find(ast, wanted) do
    {_ast, found} = Macro.prewalk(ast, nil, fn node, found -> {node, found || wanted.(node)} end)
    if found, do: found, else: :error
  end

  defp children({:=, _, [{:children, _, context}, {:__block__, meta, [list]}]})
       when is_atom(context) and is_list(list),
       do: {:ok, meta, list}

  defp children(_node), do: nil

  defp application({:def, _, [{:application, _, _}, [{{:__block__, _, [:do]}, {:__block__, meta, [list]}}]]})
       when is_list(list),
       do: {:ok, meta, list}

  defp application(_node), do: nil

  defp place(meta, elements) do
    case Enum.find(elements, &endpoint?/1) do
      nil -> after_bracket(meta)
      {_, endpoint, _} -> {endpoint[:line], endpoint[:column]}
    end
  end

  defp endpoint?({:__aliases__, _, parts}), do: List.last(parts) == :Endpoint
  defp endpoint?({:__block__, _, [{module, _argument}]}), do: endpoint?(module)
  defp endpoint?(_child), do: false

  defp after_bracket(meta), do: {meta[:line], meta[:column] + 1}

  defp insert(source, {line, column}, text, elements) do
    comma = if elements == [], do: "\n", else: ",\n"
    {before, [at | rest]} = source |> String.split("\n") |> Enum.split(line - 1)
    {left, right} = String.split_at(at, column - 1)
    Enum.join(before ++ [left <> text <> comma <> right | rest], "\n")
  end
end
