defmodule Bench.Work do
  @moduledoc "One hook in Elixir and the same in Rust, by how much it has to do: two figures."

  alias Bench.{Pair, Points, Redaction, WarmUp}
  alias Pipeline.Plugin.Manager

  @bytes for power <- 4..18, do: Bitwise.bsl(1, power)
  @fields [1, 2, 4, 8, 16, 32, 64, 128, 256]

  def points do
    compile()
    {:ok, id} = Manager.load_plugin(Bench.Working)

    # With little to do: what warms up is the point, whatever its context.
    for work <- [:redact | Enum.map(@fields, &:"drop_#{&1}")], tier <- [:native, :elixir] do
      WarmUp.run(fn -> Pipeline.Hook.run(:"working_#{work}_#{tier}", %{prompt: "short"}) end)
    end

    points = Enum.concat(Enum.flat_map(@bytes, &redact/1), Enum.flat_map(@fields, &drop/1))
    :ok = Manager.unload_plugin(id)
    points
  end

  defp redact(bytes) do
    compare("work-redact", bytes, :redact, %{prompt: Redaction.text(bytes)}, "Regex, four times")
  end

  defp drop(fields) do
    context = for n <- 1..(2 * fields), into: %{}, do: {:"field_#{n}", n}
    compare("work-fields", fields, :"drop_#{fields}", context, "Map.drop")
  end

  defp compare(figure, x, work, context, elixir) do
    ways = for tier <- [:native, :elixir], do: {tier, :"working_#{work}_#{tier}"}
    runs = for {tier, point} <- ways, do: {tier, fn -> Pipeline.Hook.run(point, context) end}
    {:ok, same} = runs[:native].()
    {:ok, ^same} = runs[:elixir].()

    sides = [
      {"Elixir hook: #{elixir}", Pair.repeat(runs[:elixir])},
      {"native hook: #{work |> to_string() |> String.split("_") |> hd()}", Pair.repeat(runs[:native])}
    ]

    Points.measure(figure, x, sides)
  end

  defp compile do
    drops =
      for fields <- @fields do
        names = for n <- 1..fields, do: :"field_#{n}"

        quote do
          hook :before, unquote(:"working_drop_#{fields}_native"),
            native: :drop,
            config: %{fields: unquote(names)}

          hook :before, unquote(:"working_drop_#{fields}_elixir"), fun: unquote(:"drop_#{fields}") do
            def unquote(:"drop_#{fields}")(context, next), do: next.(Map.drop(context, unquote(names)))
          end
        end
      end

    Module.create(
      Bench.Working,
      quote do
        use Pipeline.Plugin, id: :working, version: "1.0.0"
        @moduledoc "Has more and more to do."

        hook :before, :working_redact_native,
          native: :redact,
          config: %{field: :prompt, patterns: unquote(Redaction.patterns())}

        hook :before, :working_redact_elixir, fun: :redact do
          def redact(context, next), do: next.(Bench.Redaction.redact(context))
        end

        unquote_splicing(drops)
      end,
      Macro.Env.location(__ENV__)
    )
  end
end
