defmodule Pipeline.Hook.ChainUpdate do
  @moduledoc false
  # Computes the chains of points when hooks come and go. `Pipeline.Hook.ChainStore` publishes them.

  alias Pipeline.Hook.{Chain, ChainStore, Order, Registration, Spec}

  @typedoc "The new chain of each point, `nil` for none."
  @type t :: %{atom => Chain.t() | nil}

  @typedoc "Returns the present chain of a point."
  @type current :: (atom -> Chain.t() | nil)

  @doc """
  Removes the hooks of some plugins.

  A hook that stood before or after the hooks of a leaving plugin goes back to the place of its priority,
  which can contradict the constraint of another hook. Since a plugin can always leave, the constraints on
  that point are then given up, and the second element says which ones contradicted each other.
  """
  @spec remove(current, atom, [atom], [Pipeline.Plugin.plugin_id()], map) :: {t, [String.t()]}
  def remove(current, instance, points, removed, dependencies) do
    for point <- Enum.uniq(points),
        chain = current.(point),
        Enum.any?(chain.registrations, &(&1.plugin in removed)),
        reduce: {%{}, []} do
      {changes, given_up} ->
        case changed(chain, point, instance, [], removed, dependencies, []) do
          {:ok, chain} ->
            {Map.put(changes, point, chain), given_up}

          {:error, sentence} ->
            {:ok, chain} = changed(unconstrained(chain), point, instance, [], removed, dependencies, [])
            {Map.put(changes, point, chain), [sentence | given_up]}
        end
    end
  end

  @doc """
  Adds hooks to the chains of other changes.

  `dependencies` maps each plugin to those it depends on; `specs` are the specs of the new plugins.
  """
  @spec add(t, current, atom | nil, [Registration.t()], map, [module]) :: {:ok, t} | {:error, String.t()}
  def add(changes, current, instance, registrations, dependencies, specs) do
    registrations
    |> Enum.group_by(& &1.point)
    |> Enum.reduce_while({:ok, changes}, fn {point, new}, {:ok, changes} ->
      old = Map.get_lazy(changes, point, fn -> current.(point) end)

      case changed(old, point, instance, new, [], dependencies, specs) do
        {:ok, chain} -> {:cont, {:ok, Map.put(changes, point, chain)}}
        error -> {:halt, error}
      end
    end)
  end

  @doc """
  Puts the hooks of some plugins back, `before` being the chains that had them.

  Hooks that have come since can contradict their constraints. The constraints on that point are then given
  up, and the second element says which ones contradicted each other.
  """
  @spec put_back(current, atom, t, [Pipeline.Plugin.plugin_id()], map) :: {t, [String.t()]}
  def put_back(current, instance, before, plugins, dependencies) do
    for {point, was} <- before, reduce: {%{}, []} do
      {changes, given_up} ->
        standing = current.(point) || %{was | registrations: []}
        registrations = standing.registrations ++ Enum.filter(was.registrations, &(&1.plugin in plugins))

        {registrations, given_up} =
          case Order.sort(registrations, dependencies) do
            {:ok, registrations} ->
              {registrations, given_up}

            {:error, sentence} ->
              {:ok, registrations} = registrations |> without_constraints() |> Order.sort(dependencies)
              {registrations, [sentence | given_up]}
          end

        {Map.put(changes, point, Chain.new(point, instance, standing.mode, registrations, standing)),
         given_up}
    end
  end

  @doc "Replaces the hooks of plugins."
  @spec replace(atom, [Pipeline.Plugin.plugin_id()], [Registration.t()], map, [module]) ::
          {:ok, t} | {:error, String.t()}
  def replace(instance, plugins, registrations, dependencies, specs) do
    new = Enum.group_by(registrations, & &1.point)

    points =
      for point <- ChainStore.points(instance),
          Enum.any?(plugins(ChainStore.chain(instance, point)), &(&1 in plugins)),
          do: point

    Enum.reduce_while(Enum.uniq(points ++ Map.keys(new)), {:ok, %{}}, fn point, {:ok, changes} ->
      old = ChainStore.chain(instance, point)

      case changed(old, point, instance, Map.get(new, point, []), plugins, dependencies, specs) do
        {:ok, chain} -> {:cont, {:ok, Map.put(changes, point, chain)}}
        error -> {:halt, error}
      end
    end)
  end

  @doc "Replaces the hooks of a plugin on one point."
  @spec replace_on(term, atom, Pipeline.Plugin.plugin_id(), [Registration.t()], map, [module]) ::
          {:ok, t} | {:error, String.t()}
  def replace_on(instance, point, plugin, registrations, dependencies, specs) do
    old = ChainStore.chain(instance, point)

    with {:ok, chain} <- changed(old, point, instance, registrations, [plugin], dependencies, specs),
         do: {:ok, %{point => chain}}
  end

  @doc "Changes hooks where they are. The chains in which none changes stay."
  @spec map(term, (Registration.t() -> Registration.t())) :: t
  def map(instance, change) do
    for point <- ChainStore.points(instance),
        chain = ChainStore.chain(instance, point),
        registrations = Enum.map(chain.registrations, change),
        registrations != chain.registrations,
        into: %{},
        do: {point, Chain.new(point, instance, chain.mode, registrations, chain)}
  end

  defp plugins(chain), do: Enum.map(chain.registrations, & &1.plugin)

  defp unconstrained(chain), do: %{chain | registrations: without_constraints(chain.registrations)}

  defp without_constraints(registrations), do: Enum.map(registrations, &%{&1 | before: [], after: []})

  defp changed(old, point, instance, new, removed, dependencies, specs) do
    kept = if old, do: Enum.reject(old.registrations, &(&1.plugin in removed)), else: []
    declared? = old != nil and old.declared?
    standing = if declared? or kept != [] or (old != nil and old.down != %{}), do: old.mode

    with {:ok, mode} <- mode(point, standing, specs),
         :ok <- check_kinds(point, mode, new),
         {:ok, registrations} <- Order.sort(kept ++ new, dependencies) do
      listening =
        unless standing, do: Enum.find_value(specs, &(Spec.mode(&1, point) && Spec.listening(&1, point)))

      {:ok, point |> Chain.new(instance, mode, registrations, old, listening) |> Chain.kept()}
    end
  end

  defp mode(point, standing, specs) do
    wanted = specs |> Enum.map(&Spec.mode(&1, point)) |> Enum.reject(&is_nil/1)

    case Enum.uniq(List.wrap(standing) ++ wanted) do
      [] ->
        {:ok, :chain}

      [mode] ->
        {:ok, mode}

      [mode, other | _] ->
        {:error,
         "the hook point #{inspect(point)} runs as #{inspect(mode)} here and the plugin's spec declares it as " <>
           "#{inspect(other)}: agree on one spec"}
    end
  end

  defp check_kinds(point, mode, registrations) do
    case Enum.find(registrations, &(&1.kind == :listen != (mode != :chain))) do
      nil ->
        :ok

      %Registration{kind: :listen} ->
        {:error,
         "the hook point #{inspect(point)} is a chain and takes no :listen hooks: declare it in a " <>
           "Pipeline.Hook.Spec with mode: :first, :collect or :notify"}

      %Registration{kind: kind} ->
        {:error,
         "the hook point #{inspect(point)} runs as #{inspect(mode)} and takes :listen hooks only, " <>
           "not #{inspect(kind)}"}
    end
  end
end
