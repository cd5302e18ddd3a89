defmodule Pipeline.Hook.Listeners do
  @moduledoc false
  # The hooks of a point whose mode is not `:chain`: each is called as `(context)`, none sees another.

  alias Pipeline.Hook.{Chain, Entry, Failure}

  @spec run(Chain.t(), term, Chain.step() | nil) :: {:ok, term} | {:error, term} | :ok
  def run(%Chain{mode: :first} = chain, context, core),
    do: first(chain.entries, context, core, chain.instance)

  def run(%Chain{mode: mode} = chain, context, core) when core != nil do
    # The identity is what a run without a base operation has.
    if core === (&Function.identity/1), do: run(chain, context, nil), else: raise_core(chain, mode)
  end

  def run(%Chain{mode: :collect} = chain, context, nil),
    do: collect(chain.entries, context, [], chain.instance)

  def run(%Chain{mode: :notify} = chain, context, nil) do
    for entry <- chain.entries, do: call(entry, context, chain.instance)
    :ok
  end

  defp raise_core(chain, mode) do
    raise ArgumentError,
          "the hook point #{inspect(chain.point)} runs as #{inspect(mode)}, which has no base operation: " <>
            "run it without one"
  end

  defp first([], _context, nil, _instance), do: {:ok, nil}
  defp first([], context, core, _instance), do: Chain.run_alone(core, context)

  defp first([entry | entries], context, core, instance) do
    case call(entry, context, instance) do
      {:ok, nil} -> first(entries, context, core, instance)
      {:ok, value} -> {:ok, value}
      :skipped -> first(entries, context, core, instance)
      {:error, reason} -> {:error, reason}
    end
  end

  defp collect([], _context, values, _instance), do: {:ok, Enum.reverse(values)}

  defp collect([entry | entries], context, values, instance) do
    case call(entry, context, instance) do
      {:ok, value} -> collect(entries, context, [value | values], instance)
      :skipped -> collect(entries, context, values, instance)
      {:error, reason} -> {:error, reason}
    end
  end

  defp call(%Entry{call: {:elixir, fun}} = entry, context, instance) do
    {:ok, fun.(context)}
  catch
    kind, reason -> failed(entry, kind, reason, __STACKTRACE__, instance)
  end

  defp failed(entry, kind, reason, stacktrace, instance) do
    case {entry.on_error, kind, reason} do
      {:halt, :throw, {:hook_error, refusal}} ->
        {:error, refusal}

      {:halt, _, _} ->
        {:error, Failure.report(entry, kind, reason, stacktrace, instance)}

      {:skip, _, _} ->
        Failure.report(entry, kind, reason, stacktrace, instance)
        :skipped

      {:raise, _, _} ->
        Failure.report(entry, kind, reason, stacktrace, instance)
        :erlang.raise(kind, reason, stacktrace)
    end
  end
end
