defmodule Pipeline.Conformance.RandomCase do
  @moduledoc """
  Random cases, made of programs only. The same seed gives the same case.

  Half of them are such as the core alone can run. What is expected of them the model says.
  """

  alias Pipeline.Conformance.Case

  @plugins [:a, :b, :c, :d, :e, :f, :g]
  @kinds [:around, :before, :replace, :after]

  @spec generate(integer) :: Case.t()
  def generate(seed) do
    :rand.seed(:exsss, {seed, 7, 1})
    portable? = chance(2)
    mode = if chance(8), do: one_of([:first, :collect, :notify]), else: :chain

    # Hooks that are named do not move themselves, so that the model can stay simple. With dependencies a plugin that
    # comes can turn round what a constraint relies on, so that a chain has either.
    movers = if chance(2), do: Enum.take_random(@plugins, 3), else: []
    depends = if movers == [] and chance(2), do: depends(), else: %{}

    hooks =
      for id <- 1..one_of(1..9)//1 do
        kind = if mode == :chain, do: one_of(@kinds), else: :listen
        plugin = one_of(@plugins)
        program = program(kind, id, portable?)
        {plugin, kind, options(plugin, kind, movers, portable?, program), program}
      end

    present = Enum.map(hooks, &elem(&1, 0))

    %Case{
      name: "seed #{seed}",
      # A plugin's hooks are registered together.
      hooks: Enum.flat_map(Enum.uniq(present), &for(h <- hooks, elem(h, 0) == &1, do: h)),
      # What is not loaded stands between nobody.
      depends:
        for(
          {plugin, needed} <- depends,
          plugin in present,
          into: %{},
          do: {plugin, needed -- @plugins -- present}
        ),
      mode: mode,
      core: core(mode, portable?),
      expect: nil,
      calls: []
    }
  end

  # Of plugins that come later or sooner, without cycles.
  defp depends do
    order = Enum.shuffle(@plugins)

    for {plugin, n} <- Enum.with_index(order), n > 0, chance(2), into: %{} do
      {plugin, order |> Enum.take(n) |> Enum.take_random(one_of(1..2))}
    end
  end

  defp options(plugin, kind, movers, portable?, program) do
    named = fn ->
      if plugin in movers and chance(3), do: Enum.take_random(@plugins -- movers, one_of(1..2)), else: []
    end

    # What runs in a task counts its first times there.
    limited? = not portable? and kind not in [:around, :listen] and not match?([{:first, _, _} | _], program)

    [
      priority: one_of([50, 50, 50, 10, 90, -1]),
      before: named.(),
      after: named.(),
      on_error: one_of([:halt, :halt, :skip, :skip] ++ if(portable?, do: [], else: [:raise])),
      timeout: if(limited? and chance(8), do: 60_000)
    ]
    |> Enum.reject(fn {_, value} -> value in [nil, []] end)
  end

  defp program(:listen, id, portable?) do
    one_of([[{:give, nil}], [{:give, id}], writes(id), writes(id) ++ [failure(id, portable?)]])
  end

  # In Rust these have no next, and go on at their end or not at all.
  defp program(kind, id, true) when kind in [:before, :after] do
    case one_of(1..10) do
      n when n <= 6 -> writes(id) ++ [:next]
      n when n <= 7 and kind == :before -> writes(id)
      n when n <= 8 -> [{:first, one_of(1..2), {:fail, "at first #{id}"}}, {:mark, id}, :next]
      _ -> writes(id) ++ [failure(id, true)]
    end
  end

  defp program(_kind, id, portable?) do
    case one_of(1..20) do
      n when n <= 8 -> writes(id) ++ [:next] ++ writes(-id)
      n when n <= 10 -> writes(id)
      n when n <= 13 -> writes(id) ++ [failure(id, portable?)]
      n when n <= 15 -> writes(id) ++ [:next, {:mark, -id}, failure(id, portable?)]
      16 -> writes(id) ++ [{:retry, one_of(1..2)}, {:mark, -id}]
      17 -> [:catch] ++ writes(id)
      18 -> [:catch, failure(id, portable?)]
      19 -> [{:mark, id}, :next, :next]
      20 -> [{:first, one_of(1..2), {:fail, "at first #{id}"}}, :next]
    end
  end

  defp writes(id), do: Enum.take_random([{:mark, id}, {:add, :n, id}], one_of(0..2))

  # Some fail alike, which must not confuse whose failure it is.
  defp failure(id, portable?) do
    what = one_of([id, :same])

    one_of(
      [{:fail, "failure #{what}"}, {:panic, "failure #{what}"}, {:refuse, what}] ++
        if(portable?, do: [], else: [{:exit, what}, {:throw, what}, {:throw, {:hook_error, what}}])
    )
  end

  defp core(mode, _portable?) when mode in [:collect, :notify], do: nil

  defp core(_mode, portable?) do
    case one_of(1..8) do
      1 -> nil
      2 -> [failure(:core, portable?)]
      3 -> [{:first, one_of(1..2), {:fail, "at first core"}}, {:mark, :core}]
      _ -> [{:mark, :core}]
    end
  end

  defp chance(n), do: :rand.uniform(n) == 1
  defp one_of(choices), do: Enum.random(choices)
end
