defmodule Pipeline.Conformance.ModelOrder do
  @moduledoc """
  The order of the hooks of one kind, by moving them about in a list.

  Of named constraints only sets are asked for in which no hook that is named moves itself.
  """

  @doc "The hooks in the order in which they run."
  @spec order([map], %{atom => [atom]}) :: [map]
  def order(hooks, depends) do
    standing = standing(hooks, depends)
    {moving, still} = Enum.split_with(standing, &moves?(&1, standing))
    Enum.reduce(moving, still, &insert(&1, &2, still))
  end

  @doc "Whether a hook wants to stand behind one that it wants to stand ahead of."
  @spec contradictory?([map], %{atom => [atom]}) :: boolean
  def contradictory?(hooks, depends) do
    for kind <- Enum.uniq(Enum.map(hooks, & &1.kind)), reduce: false do
      found ->
        own = for h <- hooks, h.kind == kind, do: h
        place = own |> standing(depends) |> Enum.with_index() |> Map.new(fn {h, i} -> {h.id, i} end)

        found or
          Enum.any?(own, fn hook ->
            follows = for h <- own, h.plugin in hook.after, do: place[h.id]
            precedes = for h <- own, h.plugin in hook.before, do: place[h.id]
            follows != [] and precedes != [] and Enum.max(follows) >= Enum.min(precedes)
          end)
    end
  end

  # Without constraints: priority, then dependency, then registration.
  defp standing(hooks, depends) do
    hooks
    |> Enum.group_by(& &1.priority)
    |> Enum.sort(:desc)
    |> Enum.flat_map(fn {_priority, equals} -> settle(equals, depends) end)
  end

  defp settle([], _depends), do: []

  defp settle(hooks, depends) do
    waiting = MapSet.new(hooks, & &1.plugin)

    free =
      Enum.find(hooks, fn hook -> MapSet.disjoint?(needed([hook.plugin], depends, MapSet.new()), waiting) end)

    [free | settle(List.delete(hooks, free), depends)]
  end

  defp needed([], _depends, found), do: found

  defp needed([plugin | rest], depends, found) do
    new = Map.get(depends, plugin, []) -- MapSet.to_list(found)
    needed(new ++ rest, depends, MapSet.union(found, MapSet.new(new)))
  end

  defp moves?(hook, hooks), do: Enum.any?(hooks, &(&1.plugin in (hook.before ++ hook.after)))

  # Just after the last hook that it is to follow; just before the first that it is to precede. Of several that stand
  # beside the same hook, the first in standing order stands first.
  defp insert(hook, done, still) do
    follows = for h <- still, h.plugin in hook.after, do: h
    precedes = for h <- still, h.plugin in hook.before, do: h

    if follows != [] do
      {head, [last | tail]} = Enum.split(done, index(done, List.last(follows)))
      {peers, tail} = Enum.split_while(tail, &(&1 not in still and beside(&1, still) == {:after, last}))
      head ++ [last] ++ peers ++ [hook] ++ tail
    else
      {head, tail} = Enum.split(done, index(done, hd(precedes)))
      head ++ [hook] ++ tail
    end
  end

  defp beside(hook, still) do
    case for(h <- still, h.plugin in hook.after, do: h) do
      [] -> {:before, Enum.find(still, &(&1.plugin in hook.before))}
      follows -> {:after, List.last(follows)}
    end
  end

  defp index(hooks, hook), do: Enum.find_index(hooks, &(&1 == hook))
end
