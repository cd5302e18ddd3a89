defmodule Bench.Circuits do
  @moduledoc "Hooks that count, with circuits that stay closed against the same without."

  alias Bench.{Pair, WarmUp}
  alias Pipeline.Plugin.Manager

  @hooks 8
  @context %{count: 0, node: %{id: "summarise", type: :provider}, run: 1}

  # Points: the tier, and whether the hooks have circuits.
  @points [elixir: true, elixir: false, native: true, native: false]

  def rows do
    {:ok, id} = Manager.load_plugin(compile())
    for {tier, circuit?} <- @points, do: warm_up(point(tier, circuit?))

    rows = [
      row(:elixir, "#{@hooks} Elixir hooks with closed circuits"),
      row(:native, "#{@hooks} native hooks with closed circuits, fused")
    ]

    :ok = Manager.unload_plugin(id)
    rows
  end

  defp row(tier, what) do
    Pair.row(side(tier, true), side(tier, false), what: what, against: "the same without circuits")
  end

  defp side(tier, circuit?) do
    point = point(tier, circuit?)
    context = @context
    Pair.repeat(fn -> Pipeline.Hook.run(point, context) end)
  end

  defp warm_up(point) do
    count = @hooks
    {:ok, %{count: ^count}} = Pipeline.Hook.run(point, @context)
    WarmUp.run(fn -> Pipeline.Hook.run(point, @context) end)
  end

  defp point(tier, circuit?), do: :"circuits_#{tier}_#{circuit?}"

  defp compile do
    hooks = for {tier, circuit?} <- @points, n <- 1..@hooks, do: hook(tier, circuit?, n)

    functions =
      for n <- 1..@hooks do
        quote do
          def unquote(:"count_#{n}")(%{count: count} = context, next),
            do: next.(%{context | count: count + 1})
        end
      end

    Module.create(
      Bench.Circuits.Counting,
      quote do
        use Pipeline.Plugin, id: :counting_circuits, version: "1.0.0"
        @moduledoc "Counts."

        unquote_splicing(hooks)
        unquote_splicing(functions)
      end,
      Macro.Env.location(__ENV__)
    )

    Bench.Circuits.Counting
  end

  defp hook(tier, circuit?, n) do
    opts = if(circuit?, do: [circuit: []], else: []) ++ work(tier, n)
    quote do: hook(:before, unquote(point(tier, circuit?)), unquote(opts))
  end

  defp work(:elixir, n), do: [fun: :"count_#{n}"]
  defp work(:native, _n), do: [native: :increment, config: quote(do: %{field: :count})]
end
