defmodule StrictRedactor do
  use Pipeline.Plugin, id: :strict_redactor, version: "2.0.0", author: "The example"

  @moduledoc """
  Adds to what `:text_nodes` redacts, and tells how long the document takes to read.

  The pipeline runs without it; it is loaded while the system runs.
  """

  depends_on :text_nodes, version: "~> 1.1"

  # Links, paths and version numbers.
  hook :before, :redact_text,
    native: :redact,
    config: %{
      field: :text,
      replacement: "[LINK]",
      patterns: ["https?://[^\\s)>\\]]+", "\\]\\([^)\\s]+\\)"]
    }

  hook :after, :pipeline_complete do
    @doc false
    def pipeline_complete(%{results: %{tokens: %{tidy: tokens}} = results} = context, next) do
      # Some 200 words a minute, and three words to four tokens.
      minutes = Float.round(tokens * 0.75 / 200, 1)
      next.(%{context | results: Map.put(results, :reading_time, "#{minutes} minutes")})
    end

    def pipeline_complete(context, next), do: next.(context)
  end
end
