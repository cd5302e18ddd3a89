defmodule NativePlugin.Article do
  use Pipeline.Plugin, id: :article, version: "1.0.0"

  @moduledoc """
  Prepares an article for publication, at the hook point `:publish`.

  Hooks of three origins in one chain: those that Pipeline.Plugin ships, those of this project's own library, and one in
  Elixir. Neighbours of one library run in one native call.
  """

  alias NativePlugin.TextHooks

  hook :before, :publish, native: :require, priority: 90, config: %{types: %{text: :string}}

  hook :before, :publish, native: {TextHooks, :squeeze}, priority: 80, config: %{field: :text}
  hook :before, :publish, native: {TextHooks, :word_limit}, priority: 70, config: %{field: :text, words: 20}

  hook :before, :publish, priority: 60 do
    @doc false
    def publish(article, next), do: next.(Map.put_new_lazy(article, :title, fn -> title(article.text) end))
  end

  hook :before, :publish,
    native: {TextHooks, :reading_time},
    priority: 50,
    config: %{field: :text, put: :minutes}

  hook :before, :publish, native: :put, priority: 40, config: %{field: :state, value: "published"}

  defp title(text), do: text |> String.split(".", parts: 2) |> hd()
end
