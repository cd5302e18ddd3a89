defmodule Bench.Hooks do
  @moduledoc "Chains of hooks, each of which adds one to a counter in the context."

  alias Bench.{OriginalHookManager, Pair}
  alias Pipeline.Plugin.Manager

  defmodule Callbacks do
    @moduledoc """
    The shape that message brokers on the BEAM use: an ordered list of functions by name in a persistent term, each
    applied in a `try` of its own.
    """

    def run(point, context), do: fold(:persistent_term.get({__MODULE__, point}, []), context)

    defp fold([], context), do: {:ok, context}

    defp fold([{module, function} | rest], context) do
      case safely(module, function, context) do
        {:ok, context} -> fold(rest, context)
        {:stop, context} -> {:ok, context}
        {:error, _} = error -> error
      end
    end

    defp safely(module, function, context) do
      apply(module, function, [context])
    catch
      kind, reason -> {:error, {module, function, kind, reason, __STACKTRACE__}}
    end
  end

  defmodule ByHand do
    @moduledoc "Functions that call each other, as one writes them who needs no plugins."

    for hooks <- [1, 8, 64] do
      def unquote(:"run_#{hooks}")(context), do: {:ok, unquote(:"step_#{hooks}_1")(context)}

      for n <- 1..hooks do
        next = if n < hooks, do: :"step_#{hooks}_#{n + 1}", else: :finish

        defp unquote(:"step_#{hooks}_#{n}")(%{count: count} = context) do
          unquote(next)(%{context | count: count + 1})
        end
      end
    end

    defp finish(context), do: context
  end

  def rows do
    context = %{count: 0, node: %{id: "summarise", type: :provider}, run: 1}
    for hooks <- [1, 8, 64], do: install(hooks)
    ids = for(hooks <- [1, 8, 64], do: load(hooks)) |> List.flatten()

    for hooks <- [1, 8, 64], ways = ways(hooks, context), {_name, run} <- ways do
      {:ok, %{count: ^hooks}} = run.()
    end

    rows = Enum.concat([elixir(context), native(context)])
    for id <- Enum.reverse(ids), do: :ok = Manager.unload_plugin(id)
    rows
  end

  defp elixir(context) do
    Enum.concat([
      for {hooks, target} <- [{1, 0.65}, {8, 0.7}, {64, 0.6}] do
        row(hooks, context, :run, :callbacks, target)
      end,
      for({hooks, target} <- [{8, 1.8}, {64, nil}], do: row(hooks, context, :run, :by_hand, target)),
      for(hooks <- [1, 8, 64], do: row(hooks, context, :run, :original, nil)),
      for(hooks <- [1, 8, 64], do: row(hooks, context, :run_around, :callbacks, nil))
    ])
  end

  defp native(context) do
    for {hooks, target} <- [{1, nil}, {8, 0.6}, {64, 0.3}], do: row(hooks, context, :native, :run, target)
  end

  @names %{
    run: "Elixir hooks through Pipeline.Hook.run",
    run_around: "Elixir hooks through Pipeline.Hook.run, around a base operation",
    native: "native hooks (increment), fused, through Pipeline.Hook.run",
    callbacks: "a list of {module, function} in :persistent_term, a try each",
    by_hand: "nested calls by hand",
    original: "the original document's Hook.Manager"
  }

  defp row(hooks, context, subject, reference, target) do
    ways = ways(hooks, context)

    Pair.row(Pair.repeat(ways[subject]), Pair.repeat(ways[reference]),
      what: what(hooks, @names[subject]),
      against: if(reference == :run, do: "as many Elixir hooks of the same work", else: @names[reference]),
      target: target
    )
  end

  defp what(1, name), do: "1 " <> String.replace(name, "hooks", "hook", global: false)
  defp what(hooks, name), do: "#{hooks} #{name}"

  defp ways(hooks, context) do
    elixir = :"elixir_#{hooks}"
    native = :"native_#{hooks}"
    original = original(hooks)
    identity = fn context -> context end

    [
      run: fn -> Pipeline.Hook.run(elixir, context) end,
      run_around: fn -> Pipeline.Hook.run(elixir, context, identity) end,
      native: fn -> Pipeline.Hook.run(native, context) end,
      callbacks: fn -> Callbacks.run(elixir, context) end,
      by_hand: by_hand(hooks, context),
      original: fn -> OriginalHookManager.run(original, elixir, context) end
    ]
  end

  defp by_hand(1, context), do: fn -> ByHand.run_1(context) end
  defp by_hand(8, context), do: fn -> ByHand.run_8(context) end
  defp by_hand(64, context), do: fn -> ByHand.run_64(context) end

  # Hooks are functions of modules of their own, as those of plugins are.
  defp original(hooks) do
    for n <- 1..hooks, reduce: OriginalHookManager.new() do
      manager ->
        module = module(hooks, n)
        OriginalHookManager.register(manager, :"elixir_#{hooks}", Function.capture(module, :count, 2))
    end
  end

  defp install(hooks) do
    for n <- 1..hooks do
      Module.create(
        module(hooks, n),
        quote do
          use Pipeline.Plugin, id: unquote(:"counting_#{hooks}_#{n}"), version: "1.0.0"
          @moduledoc "Counts."

          hook :before, unquote(:"elixir_#{hooks}"), fun: :count do
            def count(%{count: count} = context, next), do: next.(%{context | count: count + 1})
          end

          hook :before, unquote(:"native_#{hooks}"), native: :increment, config: %{field: :count}

          def callback(%{count: count} = context), do: {:ok, %{context | count: count + 1}}
        end,
        Macro.Env.location(__ENV__)
      )
    end

    callbacks = for n <- 1..hooks, do: {module(hooks, n), :callback}
    :persistent_term.put({Callbacks, :"elixir_#{hooks}"}, callbacks)
  end

  defp load(hooks) do
    {:ok, ids} = Manager.load_plugins(for n <- 1..hooks, do: module(hooks, n))
    ids
  end

  defp module(hooks, n), do: :"Elixir.Bench.Counting#{hooks}_#{n}"
end
