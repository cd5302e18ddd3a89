defmodule Pipeline.Hook.Table do
  @moduledoc false
  # The chains of an instance: one persistent term, a map from point to chain. Replacing it publishes every change in
  # one step, and a run that has read the old one finishes on it.

  alias Pipeline.Hook.{Chain, Entry, Order, Spec}

  @type t :: %{atom => Chain.t()}

  @spec fetch!(atom) :: t
  def fetch!(instance) do
    case :persistent_term.get({__MODULE__, instance}, nil) do
      nil -> raise ArgumentError, no_instance(instance)
      table -> table
    end
  end

  @doc "The chain of a point, `nil` where nothing stands."
  @spec chain(atom, atom) :: Chain.t() | nil
  def chain(instance, point) do
    case :persistent_term.get({__MODULE__, instance}, nil) do
      %{^point => chain} -> chain
      %{} -> nil
      nil -> raise ArgumentError, no_instance(instance)
    end
  end

  @spec publish(atom, t) :: :ok
  def publish(instance, table), do: :persistent_term.put({__MODULE__, instance}, table)

  @spec published?(atom) :: boolean
  def published?(instance), do: :persistent_term.get({__MODULE__, instance}, nil) != nil

  @spec delete(atom) :: boolean
  def delete(instance), do: :persistent_term.erase({__MODULE__, instance})

  @doc "The points that a host's spec declares, without hooks."
  @spec declared(atom, module | nil) :: t
  def declared(_instance, nil), do: %{}

  def declared(instance, spec) do
    for {point, %{mode: mode}} <- spec.__hookpoints__(), into: %{} do
      {point, %{Chain.new(point, instance, mode, []) | declared?: true}}
    end
  end

  @doc """
  The table with the hooks of some plugins taken out.

  A hook that stood before or after those of a plugin that leaves goes back to where its priority puts it, which can
  contradict another hook's constraint. A plugin must be able to leave all the same: then the constraints on that point
  are given up, and the second element tells what contradicted what.
  """
  @spec remove(t, atom, [Pipeline.Plugin.plugin_id()], map) :: {t, [String.t()]}
  def remove(table, instance, removed, dependencies) do
    Enum.reduce(leaving(table, removed), {table, []}, fn point, {table, given_up} ->
      case changed(table[point], point, instance, [], removed, dependencies, []) do
        {:ok, chain} ->
          {put(table, chain), given_up}

        {:error, sentence} ->
          {:ok, chain} = changed(unconstrained(table[point]), point, instance, [], removed, dependencies, [])

          {put(table, chain), [sentence | given_up]}
      end
    end)
  end

  @doc """
  The table with the hooks of some plugins put in.

  Only chains that change are put in order and compiled anew. `dependencies` maps each plugin to those it depends on;
  `specs` are those of the plugins that come in.
  """
  @spec add(t, atom, [Entry.t()], map, [module]) :: {:ok, t} | {:error, String.t()}
  def add(table, instance, added, dependencies, specs) do
    added
    |> Enum.group_by(& &1.point)
    |> Enum.reduce_while({:ok, table}, fn {point, new}, {:ok, table} ->
      case changed(table[point], point, instance, new, [], dependencies, specs) do
        {:ok, chain} -> {:cont, {:ok, put(table, chain)}}
        error -> {:halt, error}
      end
    end)
  end

  defp leaving(table, removed) do
    for {point, chain} <- table, Enum.any?(chain.entries, &(&1.plugin in removed)), do: point
  end

  defp unconstrained(chain) do
    %{chain | entries: Enum.map(chain.entries, &%{&1 | before: [], after: []})}
  end

  defp put(table, %Chain{entries: [], declared?: false} = chain), do: Map.delete(table, chain.point)
  defp put(table, chain), do: Map.put(table, chain.point, chain)

  defp changed(old, point, instance, new, removed, dependencies, specs) do
    kept = if old, do: Enum.reject(old.entries, &(&1.plugin in removed)), else: []
    declared? = old != nil and old.declared?
    standing = if declared? or kept != [], do: old.mode

    with {:ok, mode} <- mode(point, standing, Enum.find_value(specs, &Spec.mode(&1, point))),
         :ok <- check_kinds(point, mode, new),
         {:ok, entries} <- Order.sort(kept ++ new, dependencies) do
      {:ok, %{Chain.new(point, instance, mode, entries) | declared?: declared?}}
    end
  end

  defp mode(_point, nil, wanted), do: {:ok, wanted || :chain}
  defp mode(_point, standing, wanted) when wanted in [nil, standing], do: {:ok, standing}

  defp mode(point, standing, wanted) do
    {:error,
     "the hook point #{inspect(point)} runs as #{inspect(standing)} here and the plugin's spec declares it as " <>
       "#{inspect(wanted)}: agree on one spec"}
  end

  defp check_kinds(point, mode, entries) do
    case Enum.find(entries, &(&1.kind == :listen != (mode != :chain))) do
      nil ->
        :ok

      %Entry{kind: :listen} ->
        {:error,
         "the hook point #{inspect(point)} is a chain and takes no :listen hooks: declare it in a " <>
           "Pipeline.Hook.Spec with mode: :first, :collect or :notify"}

      %Entry{kind: kind} ->
        {:error,
         "the hook point #{inspect(point)} runs as #{inspect(mode)} and takes :listen hooks only, " <>
           "not #{inspect(kind)}"}
    end
  end

  defp no_instance(instance) do
    "there is no plugin instance #{inspect(instance)}: start the application :pipeline_plugin for the default one, " <>
      "or Pipeline.Plugin.Manager.start_link(name: #{inspect(instance)})"
  end
end
