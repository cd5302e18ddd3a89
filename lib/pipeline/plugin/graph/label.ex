defmodule Pipeline.Plugin.Graph.Label do
  @moduledoc false
  # Names for people to read. They may come from untrusted files, so control characters are escaped.

  alias Pipeline.Foreign

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

  @doc "Any term, shortened."
  @spec term(term) :: String.t()
  defdelegate term(term), to: Foreign

  @doc "Text in which control characters and the like are shown by their code point."
  @spec plain(String.t()) :: String.t()
  defdelegate plain(text), to: Foreign, as: :line

  @doc "The lines of a text, each without control characters."
  @spec lines(String.t()) :: [String.t()]
  def lines(text), do: text |> String.split("\n") |> Enum.map(&plain/1)
end
