defmodule Pipeline.Providers.Local do
  @moduledoc """
  A provider that summarises text without a model and without a network.

      iex> text = "The cat sat. The cat sat on the mat. A dog barked."
      iex> request = %{task: :summarise, input: text, options: %{sentences: 1}}
      iex> {:ok, response} = Pipeline.Providers.Local.generate(request, %{})
      iex> {response.model, response.usage}
      {"textrank", %{input_bytes: 50}}

  The summary is extractive: it consists of the sentences that resemble the others most, in their original
  order. The native hook `:summarise` finds them by TextRank (Mihalcea and Tarau, "TextRank: Bringing Order
  into Text", 2004).

  The only task is `:summarise`. Its option `:sentences` is the length of the summary, from 1 to 100, by
  default 3.
  """

  @behaviour Pipeline.Provider

  alias Pipeline.Hook.Manager

  @impl Pipeline.Provider
  def generate(%{task: :summarise, input: input} = request, _config) when is_binary(input) do
    sentences = request |> Map.get(:options, %{}) |> Map.get(:sentences, 3)

    if sentences in 1..100 do
      config = %{field: :input, into: :summary, sentences: sentences}
      hooks = Manager.register(Manager.new(), :summarise, {:native, :summarise, config})

      with {:ok, %{summary: summary}} <- Manager.run(hooks, :summarise, %{input: input}) do
        {:ok, %{text: summary, model: "textrank", usage: %{input_bytes: byte_size(input)}}}
      end
    else
      {:error, {:invalid_option, :sentences, sentences}}
    end
  end

  def generate(%{task: :summarise, input: input}, _config), do: {:error, {:not_text, input}}
  def generate(%{task: task}, _config), do: {:error, {:unsupported_task, task}}

  @impl Pipeline.Provider
  def models(_config), do: {:ok, ["textrank"]}
end
