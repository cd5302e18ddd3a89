defmodule Pipeline.Plugin.Store.Format do
  @moduledoc false
  # The bytes of a store:
  #
  #     "pipeline plugins\n" version::16 length::64 crc32::32 entries
  #
  # with the length of the entries, and a CRC over version, length and entries, which finds every single changed byte.
  # The entries are an external term of lists, tuples, integers and binaries: there is no atom in it to be made.

  @magic "pipeline plugins\n"
  @version 1

  @type entries :: %{{:atom | :string, String.t()} => {since :: integer, reason :: String.t() | nil}}
  @type reason :: :foreign | :truncated | :trailing | :checksum | :malformed | {:format, pos_integer}

  # What a DateTime can be, in microseconds.
  @times -377_705_116_800_000_000..253_402_300_799_999_999

  @spec encode(entries) :: binary
  def encode(entries) do
    body =
      :erlang.term_to_binary(
        for {{type, text}, {since, reason}} <- Enum.sort(entries) do
          {type(type), text, since, List.wrap(reason)}
        end,
        minor_version: 2
      )

    header = <<@version::16, byte_size(body)::64>>
    <<@magic, header::binary, :erlang.crc32([header, body])::32, body::binary>>
  end

  @spec decode(binary) :: {:ok, entries} | {:error, reason}
  def decode(<<@magic, version::16, length::64, crc::32, body::binary>>) do
    cond do
      byte_size(body) < length -> {:error, :truncated}
      byte_size(body) > length -> {:error, :trailing}
      :erlang.crc32([<<version::16, length::64>>, body]) != crc -> {:error, :checksum}
      version != @version -> {:error, {:format, version}}
      true -> entries(body)
    end
  end

  # Nothing, or the beginning of a store: one that was not written whole.
  def decode(binary) do
    shared = min(byte_size(binary), byte_size(@magic))

    if binary_part(binary, 0, shared) == binary_part(@magic, 0, shared),
      do: {:error, :truncated},
      else: {:error, :foreign}
  end

  defp entries(body) do
    with list when is_list(list) <- :erlang.binary_to_term(body, [:safe]),
         true <- not List.improper?(list) and Enum.all?(list, &entry?/1) do
      {:ok,
       Map.new(list, fn {type, text, since, reason} -> {{type(type), text}, {since, List.first(reason)}} end)}
    else
      _ -> {:error, :malformed}
    end
  rescue
    ArgumentError -> {:error, :malformed}
  end

  defp entry?({type, text, since, reason}) do
    type in [0, 1] and is_binary(text) and is_integer(since) and since in @times and
      (reason == [] or match?([reason] when is_binary(reason), reason))
  end

  defp entry?(_other), do: false

  defp type(:atom), do: 0
  defp type(:string), do: 1
  defp type(0), do: :atom
  defp type(1), do: :string

  @spec sentence(reason | {:unreadable, :file.posix()}) :: String.t()
  def sentence(:foreign), do: "is no plugin store"
  def sentence(:truncated), do: "is torn: its end is missing"
  def sentence(:trailing), do: "has more bytes than were written"
  def sentence(:checksum), do: "was changed: its checksum is wrong"
  def sentence(:malformed), do: "has entries that are none"
  def sentence({:format, version}), do: "has the format #{version}, and this version knows #{@version}"
  def sentence({:unreadable, posix}), do: "cannot be read: #{:file.format_error(posix)}"
end
