defmodule Pipeline.NativeFuzz.Arguments do
  @moduledoc """
  Arguments for native functions: right ones of those that are known here, and for any function, by its arity alone,
  some of which nothing is known.
  """

  import Pipeline.RandomTerm, only: [term: 0, changed: 1, word: 0]

  alias Pipeline.NativeFuzz.Held

  @ids [:a, :b, :c, "d", {:unknown_atom, "e"}]
  @kinds [:around, :before, :replace, :after, :listen]
  @states [:discovered, :resolved, :loading, :started, :held, :draining, :stopped, :failed]

  # `:ending`, `:guard` and `:pause` are of the library of the tests alone. None of these waits for somebody else.
  @configs [
    increment: %{field: :n},
    put: %{field: [:deep, "x"], value: %{"v" => [1, 2]}},
    drop: %{field: :text},
    rename: %{from: :text, to: [:new, :name]},
    redact: %{field: :text, patterns: ["[0-9]{3}", "zq"]},
    require: %{fields: [:text]},
    json_schema: %{field: :deep, schema: %{"type" => "object", "maxProperties" => 3}},
    rate_limit: %{limit: 1000, per_ms: 1000},
    template: %{template: "{{ text }} and {{ n }}", into: :out},
    summarise: %{field: :text, into: :out, sentences: 1},
    count_tokens: %{field: :text, into: :out},
    retry: %{times: 2},
    cache: %{field: :n, ttl_ms: 10},
    redact: %{fields: [:text, [:deep, "x"]], patterns: [".*z|e", "\\w{1,5}"], replacement: ""},
    require: %{types: %{text: :string, deep: :map}},
    json_schema: %{
      field: :deep,
      schema: %{
        "$defs" => %{"a" => %{"anyOf" => [%{"type" => "object"}, %{"items" => %{"$ref" => "#"}}]}},
        "$ref" => "#/$defs/a"
      }
    },
    rate_limit: %{limit: 1, key: :text, max_keys: 2},
    template: %{
      template:
        "{% for x in deep %}{{ x ~ text[1:] }}{% endfor %}{{ deep|dictsort|map('last')|join(n) }}{{ deep == n + n }}",
      into: :out,
      strict: false
    },
    cache: %{fields: [:n, :text], ttl_ms: 10, max_bytes: 100},
    retry: %{times: 1, on: ["a", "b"]},
    ending: %{how: :continue},
    ending: %{how: :refuse},
    ending: %{how: :panic},
    ending: %{how: :fail_badly},
    guard: %{count: :n, leave: :value},
    guard: %{count: :n, leave: :again},
    pause: %{test: :nobody, count: :n, how: :continue, meet: 1},
    pause: %{test: :nobody, count: :n, how: :panic, meet: 1}
  ]

  @doc "The hooks of which right configurations are known here."
  @spec hooks() :: [atom]
  def hooks, do: @configs |> Keyword.keys() |> Enum.uniq()

  @doc "Arguments of the right number, of which some are what the function takes."
  @spec pick(atom, arity, Held.t()) :: [term]
  def pick(name, arity, held) do
    case {:rand.uniform(10), right(name, arity, held)} do
      {n, arguments} when n < 4 and is_list(arguments) -> arguments
      {n, [_ | _] = arguments} when n < 8 -> nearly(arguments, held)
      _ -> random(arity, held)
    end
  end

  @doc "Whether a hook of this configuration ends by itself. `:pause`, with a changed one, may wait for others for ever."
  @spec ends?(atom, term) :: boolean
  def ends?(:pause, config), do: {:pause, config} in @configs
  def ends?(_, _), do: true

  @doc "Arguments of which nothing is known."
  @spec random(arity, Held.t()) :: [term]
  def random(arity, held), do: for(_ <- 1..arity//1, do: any(held))

  @doc "Whether right arguments for a function are known here."
  @spec known?(atom, arity) :: boolean
  def known?(name, arity), do: right(name, arity, Held.new()) != :unknown

  # Something in one of them is replaced, or one of them is.
  defp nearly(arguments, held) do
    List.update_at(arguments, :rand.uniform(length(arguments)) - 1, fn argument ->
      if :rand.uniform(3) == 1, do: any(held), else: changed(argument)
    end)
  end

  defp any(held), do: if(:rand.uniform(4) == 1, do: Held.any(held), else: term())

  defp right(:native_hooks, 0, _), do: []
  defp right(:memory, 0, _), do: []
  defp right(:lifecycle_states, 0, _), do: []
  defp right(:registry_new, 0, _), do: []
  defp right(:registry_register, 5, held), do: [registry(held) | Tuple.to_list(entry())]
  defp right(:registry_replace, 2, held), do: [registry(held), some(&entry/0)]
  defp right(:registry_changed_since, 2, held), do: [registry(held), :rand.uniform(9)]
  defp right(:registry_find_by_capability, 3, held), do: [registry(held), id(), term()]

  defp right(name, 1, held) when name in [:registry_snapshot, :registry_list, :registry_generation],
    do: [registry(held)]

  defp right(name, 2, held)
       when name in [:registry_get, :registry_unregister, :registry_provider, :registry_find_by_capability],
       do: [registry(held), id()]

  defp right(:hook_order, 2, _) do
    hooks =
      some(fn -> {id(), one(@kinds), :rand.uniform(99), :rand.uniform(99), some(&id/0), some(&id/0)} end)

    [hooks, some(fn -> {id(), some(&id/0)} end)]
  end

  defp right(:requirement_match, 3, _), do: [word(), word(), one([true, false])]
  defp right(:load_order, 2, _), do: [some(&manifest/0), some(&manifest/0)]
  defp right(:unload_order, 1, _), do: [some(&manifest/0)]
  defp right(:lifecycle_enter, 2, _), do: [one(@states), one(@states)]
  defp right(:discover, 3, _), do: [self(), make_ref(), some(fn -> one([".", "*", "zq"]) end)]

  defp right(:solve, 5, _) do
    roots = some(fn -> {id(), one([nil, "~> 1.0", ">= 2.0.0"])} end)
    [self(), make_ref(), some(&manifest/0), roots, {some(&version/0), some(&version/0)}]
  end

  defp right(:native_hook, 2, _), do: Tuple.to_list(one(@configs))

  defp right(:breaker_new, 4, _), do: [one([1, 2, 1_024]), 1_000, one([1, 1_000]), one([1, 3])]

  defp right(name, 1, held) when name in [:breaker_admit, :breaker_reset, :breaker_counts],
    do: [Held.one(held, :breaker)]

  defp right(name, 2, held) when name in [:breaker_failed, :breaker_passed],
    do: [Held.one(held, :breaker), one([0, 0, 1, 2])]

  defp right(:segment, 3, held), do: [phase(), steps(held), one([:infinity, 1, 500])]
  defp right(:segment_stats, 1, held), do: [Held.one(held, :segment)]

  defp right(name, 2, held) when name in [:run_segment, :run_segment_dirty],
    do: [Held.one(held, :segment), context()]

  defp right(name, 2, held) when name in [:enter_around, :enter_around_dirty],
    do: [Held.one(held, :around), context()]

  defp right(name, 4, held) when name in [:leave_around, :leave_around_dirty] do
    {around, visit} = Held.one(held, :visit) || {nil, nil}
    [around, visit, context(), {one([:ok, :error, :exit, :throw, :refused]), term()}]
  end

  defp right(:start_hook, 4, held), do: [Held.one(held, :hook), phase(), context(), make_ref()]
  defp right(:cancel_hook, 1, held), do: [Held.one(held, :run)]
  defp right(:finish_async, 2, held), do: [Held.one(held, :run), context()]
  defp right(_, _, _), do: :unknown

  @doc "A context on which most hooks have something to do."
  @spec context() :: map
  def context do
    Enum.random([
      %{n: 1, text: "call 555 now. It is late.", deep: %{"x" => 1}},
      %{n: 0, text: word(), deep: term(), other: term()},
      Map.new(1..100, &{&1, &1})
    ])
  end

  defp steps(held) do
    some(fn ->
      {hook, mode} = {Held.one(held, :hook), one([:halt, :skip, :raise])}
      if one([true, false]), do: {hook, mode}, else: {hook, mode, Held.one(held, :breaker)}
    end)
  end

  defp registry(held), do: Held.one(held, :registry)
  defp phase, do: one([:before, :after, :replace, :before])
  defp version, do: {id(), "1.#{:rand.uniform(3)}.0"}

  defp entry do
    providers = some(fn -> {id(), one([String, URI]), :rand.uniform(9), one([true, false])} end)
    {id(), some(fn -> {id(), some(&term/0)} end), providers, term()}
  end

  defp manifest do
    needs =
      some(fn -> {one([id(), {:capability, :cap}]), one([[], [version: "~> 1.0"], [optional: true]])} end)

    {id, version} = version()

    %{
      id: id,
      version: version,
      capabilities: some(fn -> {:cap, term()} end),
      dependencies: needs,
      name: term()
    }
  end

  defp id, do: one(@ids)
  defp one(list), do: Enum.random(list)
  defp some(fun), do: for(_ <- 1..(:rand.uniform(4) - 1)//1, do: fun.())
end
