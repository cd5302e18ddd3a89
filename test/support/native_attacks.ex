defmodule Pipeline.NativeAttacks do
  @moduledoc """
  Configurations and contexts made to harm the VM, for each native hook that is shipped; each is run and measured in this
  VM, which may not live through it.

  `main/1` runs all of them in a VM with one scheduler, and writes down for each what came, its time in milliseconds, by
  how many bytes the VM's memory grew, and how late a process was that wakes every millisecond.
  """

  alias Pipeline.Hook.Budget
  alias Pipeline.Native

  @type attack :: {name :: String.t(), hook :: atom, config :: map, context :: term}
  @type result :: %{
          attack: String.t(),
          outcome: String.t(),
          millis: non_neg_integer,
          bytes: integer,
          late: non_neg_integer
        }

  @doc "Runs all attacks whose name or hook is among the given ones, all if none is, and ends the VM."
  @spec main([String.t()]) :: no_return
  def main([file | only]) do
    # Vocabularies are read before anything is measured.
    {:ok, _} = Native.native_hook(:count_tokens, %{field: :t, into: :n})

    results =
      for {name, hook, make} <- all(), only == [] or to_string(hook) in only, do: run(name, hook, make)

    File.write!(file, :erlang.term_to_binary(results))
    System.halt(0)
  end

  @doc "The attacks: a name, the hook, and what makes configuration and context."
  @spec all() :: [{String.t(), atom, (() -> {map, term})}]
  def all do
    for attacks <- [template(), redact(), json_schema(), rate_limit(), cache(), texts(), fields()],
        attack <- attacks,
        do: attack
  end

  # In a process of its own, with which its heap goes. What is attacked with is made there: a message with a term that
  # holds itself over and over would be the end of the VM.
  defp run(name, hook, make) do
    {pid, monitor} =
      spawn_monitor(fn ->
        {config, context} = make.()
        :erlang.garbage_collect()
        before = peak()
        ticker = ticker()
        {micros, outcome} = :timer.tc(fn -> attempt(hook, config, context) end)
        late = stop(ticker)
        bytes = peak() - before

        exit(
          {:measured,
           %{outcome: String.slice(outcome, 0, 200), millis: div(micros, 1000), bytes: bytes, late: late}}
        )
      end)

    result =
      receive do
        {:DOWN, ^monitor, _, ^pid, {:measured, result}} ->
          result

        {:DOWN, ^monitor, _, ^pid, reason} ->
          outcome = "raised " <> inspect(reason, limit: 5, printable_limit: 100)
          %{outcome: outcome, millis: 0, bytes: 0, late: 0}
      end

    Map.put(result, :attack, "#{hook}: #{name}")
  end

  defp attempt(hook, config, context) do
    case Native.native_hook(hook, config) do
      {:ok, made} when hook in [:retry, :cache] -> around(made, List.wrap(context))
      # Where a chain would run it; the segment moves by itself what takes long.
      {:ok, made} -> runs(Native.segment(:before, [{made, :halt}], Budget.default()), context)
      {:error, error} -> "refused #{inspect(error, limit: 5, printable_limit: 100)}"
    end
  end

  # Of many contexts what came last.
  defp runs(segment, {:each, contexts}),
    do: contexts |> Enum.reduce({:ok, 0}, fn context, _ -> Native.run_segment(segment, context) end) |> kind()

  defp runs(segment, context), do: kind(Native.run_segment(segment, context))

  defp kind({:ok, _}), do: "ok"
  defp kind({kind, _, reason}), do: "#{kind} #{inspect(reason, limit: 5, printable_limit: 150)}"
  defp kind({kind, _}), do: "#{kind}"

  defp around(hook, visits) do
    Enum.reduce(visits, "", fn {context, ended}, _ ->
      case Native.enter_around(hook, context) do
        {:inside, visit, context} -> hook |> Native.leave_around(visit, context, ended) |> head()
        other -> head(other)
      end
    end)
  end

  defp head(outcome) when is_tuple(outcome), do: "#{elem(outcome, 0)}"
  defp head(outcome), do: "#{outcome}"

  ## What is attacked with

  # Of sizes that take long to make a part, unless this is to be thorough.
  defp big(size), do: if(System.get_env("PIPELINE_ATTACKS"), do: size, else: div(size, 20))

  defp text(text, times), do: String.duplicate(text, times)

  # A term of some words whose copy holds 2 to the power of `rounds` of them.
  defp shared(rounds), do: Enum.reduce(1..rounds, 1, fn _, inner -> {inner, inner} end)
  defp shared_list(rounds), do: Enum.reduce(1..rounds, [1], fn _, inner -> [inner, inner] end)
  defp deep(levels), do: Enum.reduce(1..levels, 1, fn _, inner -> [inner] end)
  defp million_keys, do: Map.new(1..big(1_000_000), &{&1, &1})
  defp improper, do: Enum.reduce(1..big(100_000), :end, fn n, tail -> [n | tail] end)
  defp million_digits, do: Integer.pow(10, big(1_000_000))

  defp hostile_terms do
    [
      {"a term that holds itself over and over", &shared_30/0},
      {"a list that holds itself over and over", fn -> shared_list(30) end},
      {"a term a million levels deep", fn -> deep(big(1_000_000)) end},
      {"a map of a million keys", &million_keys/0},
      {"an improper list", &improper/0},
      {"an integer of a million digits", &million_digits/0},
      {"100 MB that are no UTF-8", fn -> :binary.copy(<<255>>, big(100_000_000)) end},
      {"a bit string", fn -> <<1::3>> end},
      {"a function", fn -> &hostile_terms/0 end}
    ]
  end

  defp shared_30, do: shared(30)

  # Every hook with a field that holds each of these, and as the context itself.
  defp fields do
    configs = [
      put: %{field: [:t, :x], value: 1},
      drop: %{field: [:t, :x]},
      rename: %{from: :t, to: :u},
      increment: %{field: :t},
      require: %{fields: [:t], types: %{t: :string}},
      redact: %{field: :t, patterns: ["x"]},
      json_schema: %{field: :t, schema: %{}},
      template: %{template: "{{ t }}", into: :out},
      summarise: %{field: :t, into: :out},
      count_tokens: %{field: :t, into: :out},
      rate_limit: %{limit: 1, key: :t}
    ]

    in_fields =
      for {hook, config} <- configs,
          {name, make} <- hostile_terms(),
          do: {name, hook, fn -> {config, %{t: make.()}} end}

    as_contexts =
      for {hook, config} <- configs,
          {name, make} <- hostile_terms(),
          do: {name <> " as context", hook, fn -> {config, make.()} end}

    as_configs =
      for {hook, config} <- configs,
          {name, make} <- hostile_terms(),
          field <- Map.keys(config),
          do: {name <> " as #{field}", hook, fn -> {Map.put(config, field, make.()), %{t: 1}} end}

    in_fields ++ as_contexts ++ as_configs
  end

  defp template do
    render = fn source, variables -> fn -> {%{template: source, into: :out, strict: false}, variables} end end
    long = %{a: text("x", 1_000_000), x: Enum.to_list(1..1000)}

    chains =
      for {name, start, link, rest} <- [
            {"additions", "{{ 1", "+1", " }}"},
            {"subtractions", "{{ 1", "-1", " }}"},
            {"fields", "{{ a", ".a", " }}"},
            {"filters", "{{ a", "|upper", " }}"},
            {"negations", "{{ ", "not ", "1 }}"},
            {"parentheses", "{{ ", "(", "1"},
            {"branches", "", "{% if a %}", ""},
            {"elifs", "{% if a %}", "{% elif a %}", "{% endif %}"}
          ],
          times <- [2_000, 300_000],
          do: {"#{times} #{name}", :template, render.(start <> text(link, times) <> rest, long)}

    doubled = text("{% set x = x + x %}", 16)
    times = "{% set x = x * 10000 %}{% set x = x * 10000 %}"

    growing =
      for before <- [doubled, times],
          walk <- [
            "{{ x }}",
            "{{ x ~ '' }}",
            "{{ x == x|list }}",
            "{{ x|sort|join }}",
            "{{ x|map('string')|join }}",
            "{{ x|sum }}",
            "{{ 0 in x }}",
            "{{ x[-1] }}",
            "{% for y in x %}{{ a }}{% endfor %}"
          ],
          do: {walk, :template, render.(before <> walk, long)}

    namespace =
      "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}"

    others =
      for source <- [
            namespace,
            "{{ 'a' * 2000000000 }}",
            "{{ 9 ** 9999 }}",
            "{% for i in range(400) %}{{ a }}{% endfor %}",
            "{{ a|indent(100000000) }}",
            "{{ a|replace('x', a) }}",
            "{% for i in range(300) %}{{ range(10000)|sort|length }}{% endfor %}",
            "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}",
            "{% for i in range(10000) %}{% if a == b %}{% endif %}{% endfor %}",
            "{% for y in x recursive %}{{ loop(x) }}{% endfor %}"
          ],
          do: {source, :template, render.(source, Map.put(long, :b, text("x", 40_000)))}

    chains ++ growing ++ others
  end

  defp redact do
    redact = fn config, text -> fn -> {Map.put(config, :field, :a), %{a: text.()}} end end
    square = %{patterns: [".*[^A-Z]|[A-Z]"]}

    [
      {"a pattern that takes the square, 4 KiB", :redact, redact.(square, fn -> text("A", 4_096) end)},
      {"a pattern that takes the square, 60 KB", :redact, redact.(square, fn -> text("A", 60_000) end)},
      {"a pattern that takes the square, 1 MB", :redact, redact.(square, fn -> text("A", 1_000_000) end)},
      {"nested repeats", :redact, redact.(%{patterns: ["(a{1,1000}){1,1000}"]}, fn -> "a" end)},
      {"large classes repeated", :redact,
       redact.(%{patterns: ["\\w{1,2000}\\d"]}, fn -> text("é", 20_000) end)},
      {"as large as a pattern may be", :redact,
       redact.(%{patterns: ["\\w{1,20}\\d"]}, fn -> text("é", 200_000) end)},
      {"what backtracks elsewhere", :redact,
       redact.(%{patterns: ["(x+x+)+y"]}, fn -> text("x", 100_000) end)},
      {"5,000 patterns", :redact,
       redact.(%{patterns: for(n <- 1..5_000, do: "\\w{3,9}#{n}\\pL+")}, fn -> "a" end)},
      {"500 patterns", :redact,
       redact.(%{patterns: for(n <- 1..500, do: "\\w{3,9}#{n}\\pL+")}, fn -> "a" end)},
      {"a replacement that blows up", :redact,
       redact.(%{patterns: ["x"], replacement: text("R", 1_000)}, fn -> text("x", 1_000_000) end)},
      {"60 MB", :redact, redact.(%{patterns: ["[0-9]+"]}, fn -> :binary.copy("abcdefgh", 7_500_000) end)}
    ]
  end

  defp json_schema do
    validate = fn schema, value -> fn -> {%{field: :v, schema: schema}, %{v: value.()}} end end

    doubled = fn levels ->
      inner = fn level -> %{"$ref" => "#/$defs/a#{level - 1}"} end

      each =
        for level <- 1..levels, into: %{}, do: {"a#{level}", %{"allOf" => [inner.(level), inner.(level)]}}

      %{"$defs" => Map.put(each, "a0", %{"type" => "integer"}), "$ref" => "#/$defs/a#{levels}"}
    end

    twice = %{"properties" => %{"c" => %{"anyOf" => [%{"$ref" => "#"}, %{"$ref" => "#"}]}}}
    nested = fn levels -> Enum.reduce(1..levels, "x", fn _, inner -> %{"c" => inner} end) end
    list = fn count -> fn -> Enum.to_list(1..count) end end

    [
      {"references that double 40 times", :json_schema, validate.(doubled.(40), fn -> "x" end)},
      {"references that double 16 times", :json_schema, validate.(doubled.(16), fn -> "x" end)},
      {"references that double with the value", :json_schema, validate.(twice, fn -> nested.(30) end)},
      {"a reference to itself", :json_schema, validate.(%{"$ref" => "#"}, fn -> 1 end)},
      {"a deep schema", :json_schema,
       validate.(Enum.reduce(1..30, %{}, fn _, inner -> %{"not" => inner} end), fn -> 1 end)},
      {"100,000 elements that are to differ", :json_schema,
       validate.(%{"uniqueItems" => true}, list.(100_000))},
      {"40,000 elements that are to differ", :json_schema,
       validate.(%{"uniqueItems" => true}, list.(40_000))},
      {"an enumeration for each element", :json_schema,
       validate.(%{"items" => %{"enum" => Enum.to_list(-1..-5_000//-1)}}, list.(5_000))},
      {"what no keyword has looked at", :json_schema,
       validate.(
         %{"allOf" => List.duplicate(%{"minProperties" => 1}, 50), "unevaluatedProperties" => false},
         fn ->
           Map.new(1..10_000, &{"k#{&1}", &1})
         end
       )},
      {"100,000 violations", :json_schema, validate.(%{"items" => %{"type" => "string"}}, list.(100_000))},
      {"a pattern that is too large", :json_schema,
       validate.(%{"pattern" => "(\\w{1,100}){1,100}"}, fn -> "x" end)},
      {"a pattern that backtracks elsewhere", :json_schema,
       validate.(%{"pattern" => "^(a+)+$"}, fn -> text("a", 1_000_000) <> "b" end)},
      {"violations with long names", :json_schema,
       validate.(%{"additionalProperties" => false}, fn -> %{text("n", 10_000_000) => 1} end)}
    ]
  end

  defp rate_limit do
    keys = fn count, bytes -> {:each, Stream.map(1..count, &%{k: text("k", bytes) <> "#{&1}"})} end
    config = %{limit: 1, per_ms: 3_600_000, key: :k}

    [
      {"200,000 keys of 1 KB", :rate_limit, fn -> {config, keys.(big(200_000), 1_000)} end},
      {"a million keys", :rate_limit, fn -> {config, keys.(big(1_000_000), 1)} end},
      {"a key of 100 MB", :rate_limit, fn -> {config, %{k: :binary.copy("k", big(100_000_000))}} end}
    ]
  end

  defp cache do
    config = %{field: :k, ttl_ms: 3_600_000, max_entries: 1_000_000}
    visits = fn count, value -> for(n <- 1..count, do: {%{k: n}, {:ok, value}}) end
    failed = fn reason -> [{%{}, {:error, reason}}] end

    [
      {"100,000 results of 10 KB", :cache, fn -> {config, visits.(big(100_000), List.duplicate(1, 625))} end},
      {"a result that holds itself over and over", :cache, fn -> {config, visits.(2, shared(40))} end},
      {"a key that holds itself over and over", :cache, fn -> {config, [{%{k: shared(40)}, {:ok, 1}}]} end},
      {"a result a million levels deep", :cache, fn -> {config, visits.(2, deep(big(1_000_000)))} end},
      {"a result of a million keys", :cache, fn -> {config, visits.(2, million_keys())} end},
      {"no time, and much of everything", :cache,
       fn -> {%{config | max_entries: 1_000_000_000_000}, visits.(1, 1)} end},
      {"a reason that holds itself over and over", :retry,
       fn -> {%{times: 3, on: [:a]}, failed.(shared(40))} end},
      {"100,000 names", :retry, fn -> {%{on: for(n <- 1..100_000, do: "n#{n}")}, failed.({:n, 1})} end}
    ]
  end

  defp texts do
    hooks = [summarise: %{field: :t, into: :out, sentences: 100}, count_tokens: %{field: :t, into: :out}]

    for {hook, config} <- hooks,
        {name, unit} <- [
          {"letters", "a"},
          {"spaces", " "},
          {"spaces and a letter", "           a"},
          {"lines", "\n"},
          {"short sentences", "A. "},
          {"sentences", "The rain falls on the sea. "},
          {"digits", "1"},
          {"punctuation", "!?"},
          {"other scripts", "é漢"},
          {"joined emoji", "👩‍👩‍👧"},
          {"combined marks", "\u0301"},
          {"quotes", ">"},
          {"brackets", "["},
          {"links", "[a](b"},
          {"emphasis", "*a _b "},
          {"code", "`a ``"},
          {"html", "<a "},
          {"comments", "<!-- "},
          {"lists", "- a\n "},
          {"tables", "|a|b|\n|-|-|\n"},
          {"entities", "&amp"},
          {"endings", "ing"}
        ],
        bytes <- [big(1_000_000), big(50_000_000)],
        do:
          {"#{bytes} bytes of #{name}", hook,
           fn -> {config, %{t: text(unit, div(bytes, byte_size(unit)))}} end}
  end

  ## How it is measured

  # A process that wakes each millisecond, and how late it was at most.
  defp ticker do
    spawn_link(fn -> tick(now(), 0) end)
  end

  defp tick(last, late) do
    receive do
      {:stop, from} -> send(from, {:late, max(late, now() - last)})
    after
      1 -> tick(now(), max(late, now() - last - 1))
    end
  end

  defp stop(ticker) do
    send(ticker, {:stop, self()})

    receive do
      {:late, late} -> late
    end
  end

  defp now, do: System.monotonic_time(:millisecond)

  # The most that the VM has held since this was asked last, in bytes, where the system tells.
  defp peak do
    with {:ok, status} <- File.read("/proc/self/status"),
         [_, kilobytes] <- Regex.run(~r/VmHWM:\s+(\d+)/, status) do
      File.write("/proc/self/clear_refs", "5")
      String.to_integer(kilobytes) * 1024
    else
      _ -> 0
    end
  end
end
