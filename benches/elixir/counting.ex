defmodule Bench.Counting do
  @moduledoc """
  Chains of hooks, each of which adds one to a counter in the context, run by different dispatchers.

  Every hook belongs to a plugin of its own, which has one in each chain that is long enough.
  """

  alias Bench.{ByHand, Callbacks, Closures, OriginalHookManager, WarmUp}
  alias Pipeline.Plugin.Manager

  @context %{count: 0, node: %{id: "summarise", type: :provider}, run: 1}

  @doc "Loads the plugins of chains of these sizes, and checks that every dispatcher counts to each."
  @spec start(atom, [pos_integer]) :: [plugin :: atom]
  def start(name, sizes) do
    modules = for n <- 1..Enum.max(sizes), do: {n, module(name, n)}

    modules
    |> Task.async_stream(fn {n, module} -> compile(name, module, n, sizes) end, timeout: :infinity)
    |> Stream.run()

    for size <- sizes do
      of_size = for {n, module} <- modules, n <= size, do: module
      Callbacks.put(point(name, :elixir, size), for(module <- of_size, do: {module, :callback}))
      hooks = for module <- of_size, do: {module, Function.capture(module, :count, 2)}
      Closures.put(point(name, :closures, size), hooks)
    end

    {:ok, ids} = Manager.load_plugins(for {_n, module} <- modules, do: module)

    for size <- sizes, {_dispatcher, run} <- ways(name, size) do
      {:ok, %{count: ^size}} = run.()
    end

    for size <- sizes,
        {dispatcher, run} <- ways(name, size),
        dispatcher in [:run, :native],
        do: WarmUp.run(run)

    ids
  end

  @spec stop([atom]) :: :ok
  def stop(ids) do
    for id <- Enum.reverse(ids), do: :ok = Manager.unload_plugin(id)
    :ok
  end

  @doc "A run of the chain of a size, by dispatcher."
  @spec ways(atom, pos_integer) :: [{atom, (() -> {:ok, map})}]
  def ways(name, size) do
    context = @context
    elixir = point(name, :elixir, size)
    native = point(name, :native, size)
    closures = point(name, :closures, size)
    original = original(name, size, elixir)
    identity = fn context -> context end

    [
      run: fn -> Pipeline.Hook.run(elixir, context) end,
      run_around: fn -> Pipeline.Hook.run(elixir, context, identity) end,
      native: fn -> Pipeline.Hook.run(native, context) end,
      callbacks: fn -> Callbacks.run(elixir, context) end,
      closures: fn -> Closures.run(closures, context) end,
      original: fn -> OriginalHookManager.run(original, elixir, context) end,
      by_hand: ByHand.way(size, context)
    ]
  end

  @doc "The name of a chain's hook point."
  @spec point(atom, atom, pos_integer) :: atom
  def point(name, tier, size), do: :"#{name}_#{tier}_#{size}"

  # Hooks are functions of modules of their own, as those of plugins are.
  defp original(name, size, point) do
    for n <- 1..size, reduce: OriginalHookManager.new() do
      manager -> OriginalHookManager.register(manager, point, Function.capture(module(name, n), :count, 2))
    end
  end

  defp compile(name, module, n, sizes) do
    hooks =
      for size <- sizes, n <= size do
        quote do
          hook :before, unquote(point(name, :elixir, size)), fun: :count
          hook :before, unquote(point(name, :native, size)), native: :increment, config: %{field: :count}
        end
      end

    Module.create(
      module,
      quote do
        use Pipeline.Plugin, id: unquote(:"counting_#{name}_#{n}"), version: "1.0.0"
        @moduledoc "Counts."

        unquote_splicing(hooks)

        def count(%{count: count} = context, next), do: next.(%{context | count: count + 1})
        def callback(%{count: count} = context), do: {:ok, %{context | count: count + 1}}
      end,
      Macro.Env.location(__ENV__)
    )
  end

  defp module(name, n), do: :"Elixir.Bench.Counting.#{name}#{n}"
end
