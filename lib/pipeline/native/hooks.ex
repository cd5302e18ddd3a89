defmodule Pipeline.Native.Hooks do
  # Written by `mix pipeline.hooks --output`, from what the library says of itself; a test fails when they
  # differ.
  @reference Path.join(__DIR__, "hooks.md")
  @external_resource @reference

  @moduledoc """
  The native hooks that Pipeline.Plugin ships, and what native hooks of any library say of themselves.

  A plugin names a hook and its configuration:

      hook :before, :execute_node, native: :redact, config: %{field: :prompt, patterns: ["sk-[a-z0-9]+"]}

  The configuration is checked when the plugin loads; an unknown field is refused with the most similar one. A
  key may be an atom or a string, as `:prompt` or `"prompt"`: these are different fields.
  `Pipeline.Hook.Manager.run_hook/3` tries a hook out, `all/1` lists those of a library, and `mix
  pipeline.hooks` prints the following.

  A refusal is an answer to the caller, `{:error, reason}`. A failure is a `Pipeline.Hook.Error`, and what
  becomes of the run is what `on_error:` of the hook says.

  #{File.read!(@reference)}
  """

  @typedoc """
  A hook as its library describes it. `kinds` are those that it can be declared as; `cost` says where it runs
  (see `Pipeline.Native.Library`). The texts are Markdown; those of a hook without a description are empty.
  """
  @type description :: %{
          name: String.t(),
          kinds: [:before | :after | :replace | :around],
          cost: :light | :heavy | :blocking | :async,
          doc: String.t(),
          purpose: String.t(),
          fields: [field],
          returns: String.t(),
          refuses: [String.t()],
          example: String.t()
        }

  @typedoc "A field of a configuration. Its `default` is Elixir source; a field without one has to be given."
  @type field :: %{name: String.t(), type: String.t(), default: String.t() | nil, doc: String.t()}

  @doc """
  The hooks of a library, by name: of the one that Pipeline.Plugin ships, or of a module that uses
  `Pipeline.Native.Library`.

      iex> Enum.map(Pipeline.Native.Hooks.all(), & &1.name)
      ~w(cache count_tokens drop increment json_schema put rate_limit redact rename require retry summarise template)
  """
  @spec all(module) :: [description]
  def all(library \\ Pipeline.Native) do
    for hook <- library.native_hooks() do
      {kinds, hook} = Map.pop!(hook, :phases)
      Map.put(hook, :kinds, kinds)
    end
  end

  @doc """
  The reference of hooks, as Markdown.

      iex> Pipeline.Native.Hooks.all() |> Pipeline.Native.Hooks.to_markdown() |> String.slice(0, 11)
      "## `:cache`"
  """
  @spec to_markdown([description]) :: String.t()
  def to_markdown(hooks), do: Enum.map_join(hooks, "\n", &section/1)

  defp section(hook) do
    [
      "## `:#{hook.name}`",
      wrapped(if(hook.purpose == "", do: hook.doc, else: hook.purpose)),
      "Kinds: #{Enum.map_join(hook.kinds, ", ", &"`:#{&1}`")}. Cost: `:#{hook.cost}`.",
      if(hook.fields != [], do: "Configuration:\n\n" <> Enum.map_join(hook.fields, "\n", &field/1)),
      if(hook.returns != "", do: wrapped("Returns: " <> hook.returns)),
      if(hook.refuses != [], do: "Refuses and fails:\n\n" <> Enum.map_join(hook.refuses, "\n", &item/1)),
      if(hook.example != "", do: "Example:\n\n" <> indented(hook.example))
    ]
    |> Enum.filter(& &1)
    |> Enum.map_join("\n", &(&1 <> "\n"))
  end

  defp field(field), do: item("`#{field.name}` - #{field.type}; #{default(field)}. #{field.doc}")

  defp default(%{default: nil}), do: "required"
  defp default(%{default: "none"}), do: "may be left out"
  defp default(%{default: default}), do: "by default `#{default}`"

  defp item(text), do: "  * " <> wrap(text, 106, "    ")

  # Paragraphs, each on lines of its own.
  defp wrapped(text), do: text |> String.split("\n\n") |> Enum.map_join("\n\n", &wrap(&1, 110, ""))

  defp wrap(text, width, indent) do
    [first | words] = String.split(text)

    {lines, last} =
      Enum.reduce(words, {[], first}, fn word, {lines, line} ->
        if String.length(line) + String.length(word) < width,
          do: {lines, line <> " " <> word},
          else: {[line | lines], word}
      end)

    [last | lines] |> Enum.reverse() |> Enum.join("\n" <> indent)
  end

  defp indented(lines), do: lines |> String.split("\n") |> Enum.map_join("\n", &("    " <> &1))
end
