defmodule Pipeline.Python.TermsTest do
  use Pipeline.PythonCase, async: true

  alias Pipeline.Python.Term

  @terms String.to_integer(System.get_env("PIPELINE_PYTHON_TERMS") || "2000")

  setup do
    seed = String.to_integer(System.get_env("PIPELINE_SEED") || "#{:rand.uniform(1_000_000_000)}")
    :rand.seed(:exsss, seed)
    {:ok, seed: seed}
  end

  test "random terms come back as they went", %{pool: pool, seed: seed} do
    for _ <- 1..div(@terms, 100) do
      terms = for _ <- 1..100, do: random_term(4)
      assert probe(pool, :echo, [terms]) == {:ok, unwrap(terms)}, "PIPELINE_SEED=#{seed}"
    end
  end

  test "random values of Python arrive as they were", %{pool: pool, seed: seed} do
    {:ok, terms} = probe(pool, :random_terms, [seed, @terms])
    assert length(terms) == @terms
    assert probe(pool, :check, [seed, @terms, terms]) == {:ok, []}, "PIPELINE_SEED=#{seed}"
  end

  test "bytes that are no terms are refused, and nothing else happens", %{pool: pool, seed: seed} do
    assert {:ok, refused} = probe(pool, :decode_garbage, [seed, @terms * 2])
    assert refused > @terms / 4
  end

  test "bytes that are no terms are refused here too", %{seed: seed} do
    for _ <- 1..@terms do
      binary = :erlang.term_to_binary(random_term(4), minor_version: 2)
      at = :rand.uniform(byte_size(binary)) - 1
      {before, <<_byte, rest::binary>>} = :erlang.split_binary(binary, at)
      mutated = <<before::binary, :rand.uniform(256) - 1, rest::binary>>
      assert elem(Term.decode(mutated), 0) in [:ok, :error], "PIPELINE_SEED=#{seed}"
    end
  end

  test "every size of number, text and container", %{pool: pool} do
    terms =
      for(
        bits <- [7, 8, 31, 32, 63, 64, 2039, 2040, 2041, 9000],
        n = Integer.pow(2, bits),
        do: [n - 1, n, n + 1, -n, 1 - n, -n - 1]
      ) ++
        [0.0, -1.5, 1.7976931348623157e308, 5.0e-324] ++
        for size <- [0, 1, 255, 256, 65_535, 65_536, 70_000] do
          [
            String.duplicate("é", size),
            List.duplicate(1, size),
            List.duplicate(:ok, size),
            List.to_tuple(List.duplicate(300, size))
          ]
        end

    assert probe(pool, :echo, [terms]) == {:ok, terms}
  end

  test "what each becomes in Python", %{pool: pool} do
    for {term, type} <- [
          {1, "int"},
          {1.0, "float"},
          {nil, "NoneType"},
          {true, "bool"},
          {"a", "str"},
          {Python.bytes("a"), "bytes"},
          {:a, "Atom"},
          {~c"ab", "list"},
          {{1}, "tuple"},
          {%{a: 1}, "dict"}
        ] do
      assert probe(pool, :type_of, [term]) == {:ok, type}
    end

    assert Python.eval(~S|options["name"], options == {"name": 1}|,
             bindings: %{options: %{name: 1}},
             pool: pool
           ) ==
             {:ok, {1, true}}
  end

  test "what Python has no counterpart for is an error that says so", %{pool: pool} do
    for {term, reason} <- [
          {self(), "a pid"},
          {make_ref(), "a reference"},
          {&probe/2, "a function"},
          {<<1::3>>, "a bitstring"},
          {[1 | 2], "does not end in []"},
          {~D[2026-12-01], "the struct Date"},
          {%{a: 1} |> Map.put("a", 2), "two keys of a map are equal in Python"},
          {%{1 => 1, 1.0 => 2}, "two keys of a map are equal in Python"},
          {%{[1] => 1}, "a key of a map is a list"},
          {<<255>>, "not UTF-8"},
          {Enum.reduce(1..300, [], fn _, list -> [list] end), "200 levels"}
        ] do
      assert {:error, %Error{type: :argument, message: message}} = probe(pool, :echo, [[%{in: {term}}]])
      assert message =~ reason
    end

    assert probe(pool, :echo, [1]) == {:ok, 1}
  end

  @tag pool: [max_bytes: 10_000]
  test "max_bytes bounds both directions", %{pool: pool} do
    assert {:ok, _} = probe(pool, :echo, [String.duplicate("a", 9_000)])
    assert {:error, %Error{type: :argument}} = probe(pool, :echo, [String.duplicate("a", 10_001)])
    assert {:error, %Error{type: :result, message: message}} = Python.eval("'a' * 10_001", pool: pool)
    assert message =~ "10000 bytes (max_bytes)"
  end

  test "a struct cannot be forged by text from outside", %{pool: pool} do
    map = %{"__struct__" => "Elixir.Pipeline.Python.Object", "id" => 1}
    assert probe(pool, :echo, [map]) == {:ok, map}
  end

  for kind <- [
        "cycle",
        "laughs",
        "deep",
        "atom",
        "long atom",
        "surrogate",
        "nan",
        "infinite",
        "set",
        "keys",
        "tuple keys",
        "struct",
        "large",
        "huge int"
      ] do
    test "a result that cannot be a term is an error, and the worker lives: #{kind}", %{pool: pool} do
      {:ok, os_pid} = probe(pool, :pid)
      assert {:error, %Error{type: :result} = error} = probe(pool, :hostile, [unquote(kind)])
      assert is_binary(Exception.message(error))
      assert probe(pool, :pid) == {:ok, os_pid}
    end
  end

  test "an object that lies about its class", %{pool: pool} do
    assert {:error, %Error{}} = probe(pool, :hostile, ["liar"])
    assert probe(pool, :echo, [1]) == {:ok, 1}
  end

  test "results with functions, pids, or compressed, are refused" do
    for term <- [&System.halt/1, fn -> 1 end, self(), make_ref(), %{a: [{self()}]}, 1..2] do
      assert {:error, %Error{type: :result}} = Term.decode(:erlang.term_to_binary(term))
    end

    assert {:error, %Error{type: :result}} =
             Term.decode(:erlang.term_to_binary(String.duplicate("a", 10_000), [:compressed]))

    assert {:error, %Error{type: :result}} = Term.decode(:erlang.term_to_binary(1) <> "more")
    assert {:error, %Error{type: :result}} = Term.decode("")
  end

  # Without what comes back as something else.
  defp random_term(depth) do
    kinds =
      [:integer, :big, :float, :text, :bytes, :atom] ++
        if(depth > 0, do: [:list, :tuple, :map, :list, :map], else: [])

    case Enum.random(kinds) do
      :integer -> Enum.random([0, 1, -1, 255, 256, -129, :rand.uniform(100_000)])
      :big -> Integer.pow(Enum.random([-3, 2, 7]), :rand.uniform(2000))
      :float -> Enum.random([0.0, 1.5e300, :rand.normal()])
      :text -> List.to_string(for _ <- few(), do: Enum.random([?a, ?é, ?漢, 0x1F600, 0, ?\n]))
      :bytes -> Python.bytes(:crypto.strong_rand_bytes(:rand.uniform(20)))
      :atom -> Enum.random([nil, true, false, :ok, :"", :é, Enum])
      :list -> for _ <- few(), do: random_term(depth - 1)
      :tuple -> List.to_tuple(for _ <- few(), do: random_term(depth - 1))
      :map -> Map.new(few(), fn _ -> {{:rand.uniform(1_000_000), "key"}, random_term(depth - 1)} end)
    end
  end

  defp few, do: Enum.take(1..5, :rand.uniform(6) - 1)

  defp unwrap(%Python.Bytes{data: data}), do: data
  defp unwrap(list) when is_list(list), do: Enum.map(list, &unwrap/1)
  defp unwrap(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> unwrap() |> List.to_tuple()
  defp unwrap(map) when is_map(map), do: Map.new(map, fn {key, value} -> {unwrap(key), unwrap(value)} end)
  defp unwrap(term), do: term
end
