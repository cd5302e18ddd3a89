defmodule Pipeline.Plugin.Resources.Limits do
  @moduledoc false
  # Validates the resource limits of plugins, and keeps those of an instance.

  alias Pipeline.HeapLimit
  alias Pipeline.Instance.Published
  alias Pipeline.Plugin.Registry
  alias Pipeline.Options

  @behaviour Published

  @kinds [:max_heap, :memory, :message_queue, :reductions_per_second]
  @actions [:warn, :restart, :hold, :unload]

  @type kind :: :max_heap | :memory | :message_queue | :reductions_per_second
  @type action :: :warn | :restart | :hold | :unload
  @type t :: %{optional(kind) => {pos_integer, action | :kill}}

  @spec check(term) :: {:ok, t} | {:error, String.t()}
  def check(limits) do
    with :ok <- Options.check(limits, @kinds, "limits:") do
      Enum.reduce_while(limits, {:ok, %{}}, fn {kind, limit}, {:ok, checked} ->
        case check_one(kind, limit) do
          {:ok, limit} -> {:cont, {:ok, Map.put(checked, kind, limit)}}
          error -> {:halt, error}
        end
      end)
    end
  end

  @spec check!(term) :: t
  def check!(limits) do
    case check(limits) do
      {:ok, limits} -> limits
      {:error, message} -> raise ArgumentError, message
    end
  end

  defp check_one(:max_heap, limit) when is_integer(limit), do: check_one(:max_heap, {limit, :kill})
  defp check_one(kind, limit) when is_integer(limit), do: check_one(kind, {limit, :warn})

  defp check_one(kind, {limit, action}) do
    cond do
      not (is_integer(limit) and limit > 0) ->
        {:error, "the limit of #{inspect(kind)} is a positive number, got: #{inspect(limit)}"}

      kind == :max_heap and not HeapLimit.bytes?(limit) ->
        {:error, "the limit of :max_heap is at least #{HeapLimit.smallest()} bytes, got: #{limit}"}

      action in @actions or {kind, action} == {:max_heap, :kill} ->
        {:ok, {limit, action}}

      true ->
        {:error,
         "the action of #{inspect(kind)} is one of #{Enum.map_join(@actions, ", ", &inspect/1)}, " <>
           "got: #{inspect(action)}." <> Options.did_you_mean(action, @actions)}
    end
  end

  defp check_one(kind, other) do
    {:error, "the limit of #{inspect(kind)} is a number or {number, action}, got: #{inspect(other)}"}
  end

  @doc "The limits that a plugin declares."
  @spec declared(module) :: t
  def declared(module), do: if(function_exported?(module, :__limits__, 0), do: module.__limits__(), else: %{})

  @doc "Keeps the limits of an instance for the plugins that start in it."
  @impl true
  def value(_instance, limits), do: limits

  @doc "The limits of a plugin: its own, and the instance's for the rest."
  @spec effective(atom, t) :: t
  def effective(instance, own), do: Map.merge(Published.get(instance, __MODULE__) || %{}, own)

  @doc "The limits of a plugin that is about to start; `limits` are those given by its loader, if any."
  @spec of(atom, module, Pipeline.Plugin.plugin_id(), t | keyword | nil) :: t
  def of(instance, module, id, nil) do
    case Registry.info(Registry.owned(instance), id) do
      %{limits: limits} -> limits
      _ -> effective(instance, declared(module))
    end
  end

  def of(_instance, _module, _id, limits) when is_map(limits), do: limits

  def of(instance, module, _id, limits) do
    effective(instance, Map.merge(declared(module), check!(limits)))
  end

  @doc "The spawn options of a process with these limits."
  @spec spawn_options(t) :: keyword
  def spawn_options(%{max_heap: {bytes, :kill}}) do
    [max_heap_size: HeapLimit.flag(bytes)]
  end

  def spawn_options(_limits), do: []

  @doc "The limits that these figures exceed, with the figures."
  @spec exceeded(t, map) :: [{kind, limit :: pos_integer, value :: non_neg_integer, action}]
  def exceeded(limits, usage) do
    for {kind, {limit, action}} <- limits,
        action != :kill,
        value = usage[key(kind)],
        value > limit,
        do: {kind, limit, value, action}
  end

  defp key(:max_heap), do: :heap
  defp key(kind), do: kind
end
