defmodule Pipeline.Package.ModuleMD5 do
  @moduledoc false
  # The MD5 of a module's code, as `module_info(:md5)` has it, from a BEAM file that nobody trusts yet.
  #
  # `:code.module_md5/1` gives the same. But it reads a file as a loader does: each name in it becomes an atom, and one
  # that claims to have 4 GiB of literals ends the VM. `:beam_lib.md5/1` makes an atom of the module's name.

  # What `:beam_lib` hashes, in its order.
  @chunks ~w(Atom AtU8 Code StrT ImpT ExpT FunT LitT Meta)

  @doc "The digest of an uncompressed BEAM file, `nil` for what is none."
  @spec of(binary) :: binary | nil
  def of(<<"FOR1", _size::32, "BEAM", rest::binary>>) do
    with %{"Code" => _} = chunks <- chunks(rest, %{}) do
      :erlang.md5(for name <- @chunks, is_map_key(chunks, name), do: content(name, chunks[name]))
    else
      _ -> nil
    end
  end

  def of(_other), do: nil

  defp chunks(<<name::binary-4, size::32, rest::binary>>, found) when size <= byte_size(rest) do
    found = if name in @chunks, do: Map.put_new(found, name, binary_part(rest, 0, size)), else: found
    # Chunks begin at multiples of four.
    taken = min(size + rem(4 - rem(size, 4), 4), byte_size(rest))
    chunks(binary_part(rest, taken, byte_size(rest) - taken), found)
  end

  defp chunks("", found), do: found
  defp chunks(_cut_off, _found), do: nil

  # Each function has a number that is not the same in each compilation.
  defp content("FunT", <<count::binary-4, functions::binary>>) do
    [
      count,
      for(<<function::binary-20, _unique::binary-4 <- functions>>, into: "", do: function <> <<0::32>>)
    ]
  end

  defp content(_name, bytes), do: bytes
end
