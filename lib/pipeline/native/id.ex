defmodule Pipeline.Native.Id do
  @moduledoc false
  # The ids and names that the core can hold (`native/pipeline_nif/src/id.rs`).

  # Bytes of a string; an atom has at most 255 characters.
  @id_bytes 255
  @atom_bytes 4 * 255

  @doc "The bytes that an id may have, if it is a string."
  @spec most_bytes() :: pos_integer
  def most_bytes, do: @id_bytes

  @doc "Whether a term is the id of a plugin: an atom, or a string of valid UTF-8."
  @spec valid?(term) :: boolean
  def valid?(id) when is_binary(id), do: text?(id, @id_bytes)
  def valid?(id), do: id not in [nil, true, false] and name?(id)

  @doc "Whether a term is a name: an atom, or `{:unknown_atom, text}` for one of a file that the VM does not know."
  @spec name?(term) :: boolean
  def name?({:unknown_atom, name}), do: text?(name, @atom_bytes)
  def name?(name), do: is_atom(name)

  defp text?(text, bytes), do: is_binary(text) and byte_size(text) in 1..bytes and String.valid?(text)
end
