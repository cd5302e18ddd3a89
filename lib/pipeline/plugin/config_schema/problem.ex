defmodule Pipeline.Plugin.ConfigSchema.Problem do
  @moduledoc """
  One error in a configuration or a schema.

    * `:path` - the way to the value, outermost first: fields, keys of maps and indices of lists
    * `:reason` - `:type`, `:required`, `:unknown`, `:duplicate`, `:check` (a custom type refused the value),
      or `:schema` (the schema is wrong)
    * `:message` - the error, without the path
    * `:got` - `{:ok, value}`, or `nil` if there is no value or it is secret

  `to_string/1` returns a sentence: `"llm.retries: expected a positive integer, got: -1"`.
  """

  @enforce_keys [:path, :reason, :message]
  defstruct [:path, :reason, :message, :got]

  alias Pipeline.Foreign

  @type t :: %__MODULE__{
          path: [term],
          reason: :type | :required | :unknown | :duplicate | :check | :schema,
          message: String.t(),
          got: {:ok, term} | nil
        }

  @doc false
  @spec new([term], atom, String.t()) :: t
  def new(path, reason, message), do: %__MODULE__{path: path, reason: reason, message: message}

  @doc false
  @spec wrong([term], String.t(), term) :: t
  def wrong(path, expected, got) do
    %__MODULE__{path: path, reason: :type, message: "expected " <> expected, got: {:ok, got}}
  end

  @doc false
  # The path ends at the secret field: a key inside it can be part of the secret.
  @spec hide(t, path :: [term]) :: t
  def hide(%__MODULE__{reason: reason} = problem, path) when reason in [:required, :type],
    do: %{problem | path: path, got: nil}

  # Its check can have put the value into the sentence.
  def hide(%__MODULE__{reason: :schema} = problem, path),
    do: %{problem | path: path, message: "its check failed", got: nil}

  def hide(%__MODULE__{} = problem, path), do: %{problem | path: path, message: "is wrong", got: nil}

  @doc false
  @spec path([term]) :: String.t()
  def path(path), do: Enum.reduce(path, "", &step/2)

  defp step(index, text) when is_integer(index), do: "#{text}[#{Foreign.term(index)}]"
  defp step(field, ""), do: name(field)
  defp step(field, text) when is_atom(field), do: text <> "." <> name(field)
  defp step(key, text), do: "#{text}[#{Foreign.term(key, 6)}]"

  defp name(field) when is_atom(field) do
    if Macro.classify_atom(field) == :identifier, do: Atom.to_string(field), else: inspect(field)
  end

  defp name(field) when is_binary(field) do
    if field =~ ~r/\A\w{1,60}\z/, do: field, else: inspect(field, printable_limit: 60)
  end

  defp name(key), do: Foreign.term(key, 6)

  defimpl String.Chars do
    alias Pipeline.Foreign
    alias Pipeline.Plugin.ConfigSchema.Problem

    def to_string(%Problem{path: path, message: message, got: got}) do
      text = Problem.path(path)
      if(text == "", do: message, else: "#{text}: #{message}") <> shown(got)
    end

    defp shown(nil), do: ""
    defp shown({:ok, value}), do: ", got: " <> Foreign.term(value, 6)
  end
end
