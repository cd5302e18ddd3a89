defmodule Pipeline.Conformance.RandomChain do
  @moduledoc """
  Random hooks as data for `Pipeline.Conformance.Model`, and as functions for the real chains.

  The same seed gives the same chain.
  """

  @plugins [:a, :b, :c, :d, :e, :f, :g]
  @kinds [:around, :before, :replace, :after]

  @doc "The hooks and the base operation of a seed."
  @spec generate(integer) :: {[map], :core | {atom, term}}
  def generate(seed) do
    :rand.seed(:exsss, {seed, 7, 1})
    # Hooks that are named do not move themselves, so that the model can stay simple.
    movers = Enum.take_random(@plugins, 3)

    hooks =
      for id <- 1..one_of(1..9)//1 do
        plugin = one_of(@plugins)
        kind = one_of(@kinds)

        %{
          id: id,
          plugin: plugin,
          kind: kind,
          priority: one_of([50, 50, 50, 10, 90, -1]),
          before: if(plugin in movers, do: names(movers), else: []),
          after: if(plugin in movers, do: names(movers), else: []),
          on_error: one_of([:halt, :halt, :skip, :skip, :raise]),
          timeout: if(kind != :around and chance(8), do: 60_000),
          act: act(id)
        }
      end

    # A plugin's hooks are registered together.
    hooks =
      hooks |> Enum.map(& &1.plugin) |> Enum.uniq() |> Enum.flat_map(&for(h <- hooks, h.plugin == &1, do: h))

    {hooks, if(chance(6), do: failure(:core), else: :core)}
  end

  @doc "Whether the constraints of one kind cannot all hold."
  @spec contradictory?([map]) :: boolean
  def contradictory?(hooks) do
    Enum.any?(@kinds, fn kind ->
      own = for h <- hooks, h.kind == kind, do: h
      plain = for h <- own, do: %{h | before: [], after: []}

      places =
        plain
        |> Pipeline.Conformance.Model.order()
        |> Enum.with_index()
        |> Map.new(fn {h, i} -> {h.id, i} end)

      Enum.any?(own, fn hook ->
        follows = for h <- own, h.plugin in hook.after, do: places[h.id]
        precedes = for h <- own, h.plugin in hook.before, do: places[h.id]
        follows != [] and precedes != [] and Enum.max(follows) >= Enum.min(precedes)
      end)
    end)
  end

  @doc "A hook as the conformance cases have it."
  @spec to_case_hook(map) :: Pipeline.Conformance.Cases.hook()
  def to_case_hook(hook) do
    opts = Map.take(hook, [:priority, :before, :after, :on_error, :timeout])
    {hook.plugin, hook.kind, Enum.reject(opts, fn {_, v} -> v == nil end), behaviour(hook.plugin, hook.act)}
  end

  @doc "The base operation as a function."
  @spec to_core(:core | {atom, term}) :: Pipeline.Hook.next()
  def to_core(:core), do: fn context -> [:core | context] end
  def to_core(failure), do: fn _context -> fail(failure) end

  defp behaviour(plugin, :pass), do: fn context, next -> next.([plugin | context]) end
  defp behaviour(plugin, :return), do: fn _context, _next -> [plugin] end
  defp behaviour(_plugin, {:fail, failure}), do: fn _context, _next -> fail(failure) end

  defp behaviour(plugin, {:fail_after, failure}) do
    fn context, next ->
      next.([plugin | context])
      fail(failure)
    end
  end

  defp behaviour(plugin, :retry) do
    fn context, next ->
      try do
        next.([plugin | context])
      catch
        _, _ -> next.([plugin | context])
      end
    end
  end

  defp behaviour(plugin, :catch) do
    fn context, next ->
      try do
        next.([plugin | context])
      catch
        :error, %RuntimeError{message: message} -> [{:caught, :error, message}]
        kind, reason -> [{:caught, kind, reason}]
      end
    end
  end

  defp fail({:error, message}), do: raise(message)
  defp fail({:exit, reason}), do: exit(reason)
  defp fail({:throw, reason}), do: throw(reason)

  defp act(id) do
    case one_of(1..20) do
      n when n <= 11 -> :pass
      n when n <= 13 -> :return
      n when n <= 16 -> {:fail, failure(id)}
      n when n <= 18 -> {:fail_after, failure(id)}
      19 -> :retry
      20 -> :catch
    end
  end

  # Some fail alike, which must not confuse whose failure it is.
  defp failure(id) do
    what = one_of([id, :same])

    one_of([
      {:error, "failure #{what}"},
      {:exit, what},
      {:throw, what},
      {:throw, {:hook_error, what}}
    ])
  end

  defp names(movers), do: if(chance(3), do: Enum.take_random(@plugins -- movers, one_of(1..2)), else: [])
  defp chance(n), do: :rand.uniform(n) == 1
  defp one_of(choices), do: Enum.random(choices)
end
