defmodule Pipeline.Plugin.Graph.Label do
  @moduledoc false
  # Names for people to read. They may come from untrusted files, so control characters are escaped.

  alias Pipeline.Plugin.Graph.UnknownAtom

  @doc "The name of an id, a hook point or a capability."
  @spec name(term) :: String.t()
  def name({:unknown_atom, name}), do: name |> String.replace_prefix("Elixir.", "") |> plain()
  def name(name) when is_binary(name), do: name |> inspect() |> plain()

  def name(name) when is_atom(name) do
    name |> Atom.to_string() |> String.replace_prefix("Elixir.", "") |> plain()
  end

  def name(other), do: term(other)

  @doc "A plugin with its version."
  @spec plugin(%{:id => term, :version => String.t() | nil, optional(any) => any}) :: String.t()
  def plugin(%{id: id, version: nil}), do: name(id)
  def plugin(%{id: id, version: version}), do: "#{name(id)} #{plain(version)}"

  @doc "The target of a dependency, with its requirement."
  @spec dependency({term, keyword}) :: String.t()
  def dependency({{:capability, name}, _opts}), do: "capability #{name(name)}"
  def dependency({id, opts}), do: Enum.join([name(id) | List.wrap(opts[:version])], " ") |> plain()

  @doc "Any term, shortened. An atom that the VM does not know is shown as an atom."
  @spec term(term) :: String.t()
  def term(term) do
    term |> atoms() |> inspect(limit: 20, printable_limit: 200, width: :infinity) |> plain()
  end

  defp atoms({:unknown_atom, name}) when is_binary(name), do: %UnknownAtom{name: name}
  defp atoms([head | tail]), do: [atoms(head) | atoms(tail)]
  defp atoms(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> atoms() |> List.to_tuple()
  defp atoms(map) when is_map(map) and not is_struct(map), do: Map.new(map, &atoms/1)
  defp atoms(term), do: term

  @doc "Text in which control characters and the like are shown by their code point."
  @spec plain(String.t()) :: String.t()
  def plain(text) do
    text = if String.valid?(text), do: text, else: inspect(text)

    Regex.replace(~r/[\p{C}\p{Zl}\p{Zp}]/u, text, fn <<char::utf8>> ->
      "\\u{#{char |> Integer.to_string(16) |> String.pad_leading(2, "0")}}"
    end)
  end

  @doc "The lines of a text, each without control characters."
  @spec lines(String.t()) :: [String.t()]
  def lines(text), do: text |> String.split("\n") |> Enum.map(&plain/1)
end
