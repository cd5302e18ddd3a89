defmodule Pipeline.RandomTerm do
  @moduledoc """
  Terms of every kind the VM has, also those that nobody means to pass: improper lists, integers of thousands of bits,
  bit strings, maps of thousands of keys, funs, processes of another node, nesting without end, structs that are none,
  texts that are no UTF-8.

  They come from `:rand` of the calling process, so a seed tells them all. No atom is made: atoms are taken from those
  that this module names. Every text that is no word of this module begins with `mark/0`, so that an atom made of one shows.
  """

  import Bitwise

  @mark "zq~"

  @atoms [nil, true, false, :ok, :error, :a, :b, :c, :id, :version, :capabilities, :dependencies, :capability] ++
           [:before, :after, :replace, :around, :listen, :halt, :skip, :raise, :infinity, :started, :failed] ++
           [
             :stopped,
             :field,
             :value,
             :"",
             :ünïcode,
             :__struct__,
             String,
             URI,
             :n,
             :text,
             :put,
             :redact,
             :exit
           ]

  @words [
           "",
           "a",
           "1.0.0",
           "1.2.3-rc.1",
           "~> 1.0",
           ">= 1.0.0 and < 2.0.0",
           "1",
           "99999999999999.0.0",
           "or",
           "put"
         ] ++
           ["redact", "text", "n", "{{ text }}", "[0-9]{3}", "(", "\0", "ünï", "\u{202E}x"]

  @integers [0, 1, -1, 2, 31, 32, 33, 255, 65_536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000] ++
              [0x7FFFFFFFFFFFFFF, 0x800000000000000, -0x800000000000001, 0x7FFFFFFFFFFFFFFF] ++
              [0x8000000000000000, -0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 0x10000000000000000]

  @floats [0.0, -0.0, 1.5, -1.0e300, 1.7976931348623157e308, 5.0e-324]

  @doc "What a random text begins with."
  @spec mark() :: String.t()
  def mark, do: @mark

  @doc "A term, nested at most `depth` levels deep, but for one in a hundred."
  @spec term(non_neg_integer) :: term
  def term(depth \\ 3) do
    case :rand.uniform(400) do
      1 -> deep()
      2 -> Map.new(1..:rand.uniform(3000), &{&1, &1})
      3 -> :binary.copy(text(), :rand.uniform(2000))
      4 -> Enum.to_list(1..:rand.uniform(3000))
      n when n < 220 or depth == 0 -> leaf()
      _ -> container(depth - 1)
    end
  end

  @doc "The same term with something in it replaced."
  @spec changed(term) :: term
  def changed([head | tail]) do
    case :rand.uniform(6) do
      1 -> term()
      2 -> [changed(head) | leaf()]
      3 -> [head, head | tail]
      4 -> [head | changed(tail)]
      5 -> tail
      _ -> [changed(head) | tail]
    end
  end

  def changed(tuple) when is_tuple(tuple) and tuple_size(tuple) > 0 do
    at = :rand.uniform(tuple_size(tuple)) - 1

    case :rand.uniform(6) do
      1 -> term()
      2 -> Tuple.insert_at(tuple, tuple_size(tuple), leaf())
      3 -> Tuple.delete_at(tuple, at)
      _ -> put_elem(tuple, at, changed(elem(tuple, at)))
    end
  end

  def changed(map) when is_map(map) and map_size(map) > 0 do
    {key, value} = Enum.random(Map.to_list(map))

    case :rand.uniform(6) do
      1 -> term()
      2 -> Map.delete(map, key)
      3 -> Map.put(map, term(1), value)
      _ -> Map.put(map, key, changed(value))
    end
  end

  def changed(binary) when is_binary(binary) and binary != "" do
    at = :rand.uniform(byte_size(binary)) - 1
    {head, <<byte, tail::binary>>} = :erlang.split_binary(binary, at)

    case :rand.uniform(5) do
      1 -> term()
      2 -> head <> tail
      3 -> <<head::binary, byte, 0xFF, tail::binary>>
      4 -> <<binary::binary, 1::3>>
      _ -> binary <> word()
    end
  end

  def changed(integer) when is_integer(integer) do
    case :rand.uniform(3) do
      1 -> term()
      2 -> -integer
      _ -> Enum.random(@integers)
    end
  end

  def changed(_), do: term()

  @doc "A text: a word that means something to some function, or one that nobody knows."
  @spec word() :: String.t()
  def word, do: if(:rand.uniform(3) == 1, do: text(), else: Enum.random(@words))

  defp text, do: @mark <> for(_ <- 1..:rand.uniform(8), into: "", do: <<?a + :rand.uniform(26) - 1>>)

  defp leaf do
    case :rand.uniform(16) do
      1 -> Enum.random(@integers)
      2 -> :rand.uniform(100) - 50
      3 -> (1 <<< :rand.uniform(5000)) - :rand.uniform(3)
      4 -> Enum.random(@floats)
      n when n < 8 -> Enum.random(@atoms)
      n when n < 10 -> word()
      10 -> <<0xFF, 0xC0, :rand.uniform(255)>>
      11 -> <<:rand.uniform(100)::size(7), 5::size(6)>>
      12 -> Enum.random([[], {}, %{}, ""])
      13 -> process()
      14 -> Enum.random([make_ref(), hd(Port.list()), foreign_reference()])
      15 -> function()
      16 -> String.to_charlist(word())
    end
  end

  defp container(depth) do
    some = for _ <- 1..:rand.uniform(5), do: term(depth)

    case :rand.uniform(8) do
      n when n < 3 -> some
      3 -> some ++ leaf()
      4 -> List.to_tuple(some)
      5 -> Map.new(some, &{&1, term(depth)})
      6 -> Map.new(some, &{Enum.random(@atoms), &1})
      7 -> Enum.random([%URI{port: hd(some)}, 1..3, %{__struct__: hd(some)}, MapSet.new(some)])
      8 -> Enum.map(some, &{Enum.random(@atoms), &1})
    end
  end

  # Deeper than any stack of a thread that goes down by recursion.
  defp deep do
    wrap =
      Enum.random([
        &[&1],
        &{&1, 1},
        &%{a: &1},
        &%{id: &1, version: "1.0.0"},
        &[1 | &1],
        &[a: &1],
        &%URI{path: &1}
      ])

    Enum.reduce(1..:rand.uniform(5000), leaf(), fn _, inside -> wrap.(inside) end)
  end

  defp process do
    # Of another node, of one that is long dead, and of this one.
    Enum.random([dead(), foreign_pid(), self()])
  end

  defp dead do
    {pid, monitor} = spawn_monitor(fn -> :ok end)
    receive do: ({:DOWN, ^monitor, _, _, _} -> pid)
  end

  defp function do
    bound = :rand.uniform(9)

    Enum.random([
      fn -> bound end,
      &String.upcase/1,
      Function.capture(:nobody, :knows, 3),
      fn a, b -> a + b + bound end
    ])
  end

  # As if they came from the node a@b, whose name the VM has then in its table.
  defp foreign_pid, do: :erlang.binary_to_term(<<131, 88, 119, 3, "a@b", 1::32, 2::32, 3::32>>)
  defp foreign_reference, do: :erlang.binary_to_term(<<131, 90, 1::16, 119, 3, "a@b", 3::32, 1::32>>)
end
