defmodule Pipeline.Providers.Local do
  @moduledoc """
  Summarises without a model and without a network.

  The summary is extractive: it consists of the sentences that are most like all others, found by TextRank (Mihalcea
  and Tarau, "TextRank: Bringing Order into Text", 2004), in their own order. The core does it, as the native hook
  `:summarise`.

  The only task is `:summarise`, with the option `:sentences` (1 to 100, 3 by default).
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
end
