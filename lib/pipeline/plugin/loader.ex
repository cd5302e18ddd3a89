defmodule Pipeline.Plugin.Loader do
  @moduledoc """
  Resolves dependencies: which plugins load, and in which order.

  The functions take manifests, from `c:Pipeline.Plugin.__plugin__/0` or from `Pipeline.Plugin.Discovery`.
  They load nothing: `Pipeline.Plugin.Manager.load_plugins/2` does.
  """

  alias Pipeline.{Foreign, Options}
  alias Pipeline.Native.Resolution
  alias Pipeline.Plugin.{Manifest, ResolutionError}

  @type manifest :: Manifest.t() | map

  @doc """
  Sorts plugins into waves. The plugins of a wave can be loaded in parallel once the earlier waves are loaded.

  A plugin comes after its dependencies, after optional ones that are present, and after every provider of a
  capability that it depends on. The same manifests give the same order.

      iex> blog = %{id: :blog, version: "1.0.0", capabilities: [], dependencies: [{:cache, version: "~> 1.0"}]}
      iex> cache = %{id: :cache, version: "1.4.0", capabilities: [], dependencies: []}
      iex> Pipeline.Plugin.Loader.load_order([blog, cache])
      {:ok, [[:cache], [:blog]]}

  ## Options

    * `:loaded` - manifests of plugins that are loaded already and can meet dependencies
  """
  @spec load_order([manifest], keyword) :: {:ok, [[term]]} | {:error, ResolutionError.t()}
  def load_order(manifests, opts \\ []) do
    Options.validate!(opts, [:loaded], "Pipeline.Plugin.Loader.load_order/2")
    loaded = opts[:loaded] || []

    case load_order!(manifests, relevant(loaded, manifests)) do
      {:ok, waves} ->
        {:ok, waves}

      {:error, {{:unmet, _}, _message}} when loaded != [] ->
        # Resolve again with all loaded plugins, so that the core can suggest a similar name.
        {:error, problem} = load_order!(manifests, loaded)
        {:error, ResolutionError.new(problem)}

      {:error, problem} ->
        {:error, ResolutionError.new(problem)}
    end
  end

  @doc "Sorts plugins into waves for unloading: dependents before their dependencies."
  @spec unload_order([manifest]) :: {:ok, [[term]]} | {:error, ResolutionError.t()}
  def unload_order(manifests) do
    case checked(manifests, fn -> Resolution.unload_order(manifests) end) do
      {:ok, waves} -> {:ok, waves}
      {:error, problem} -> {:error, ResolutionError.new(problem)}
    end
  end

  @doc """
  Chooses one version of each plugin that the roots need, when several versions were found.

  A root is an id or `{id, requirement}`. A loaded version that fits is kept; otherwise the newest that fits
  is chosen, a pre-release only if a requirement names one. The error explains which requirements contradict
  each other and how to solve that. The search runs on a thread of its own, and the caller waits for it.

      iex> cache = &%{id: :cache, version: &1, capabilities: [], dependencies: []}
      iex> blog = %{id: :blog, version: "1.2.0", capabilities: [], dependencies: [{:cache, version: "~> 1.4"}]}
      iex> Pipeline.Plugin.Loader.solve([blog, cache.("1.4.2"), cache.("2.1.0")], [:blog])
      {:ok, %{blog: "1.2.0", cache: "1.4.2"}}

  ## Options

    * `:locked` - `%{id => version}`: if the plugin is chosen, then in exactly this version
    * `:loaded` - `%{id => version}`: versions to keep where all requirements allow it
  """
  @spec solve([manifest], [term | {term, String.t()}], keyword) ::
          {:ok, %{term => String.t()}} | {:error, ResolutionError.t()}
  def solve(manifests, roots, opts \\ []) do
    Options.validate!(opts, [:locked, :loaded], "Pipeline.Plugin.Loader.solve/3")
    preferences = {versions!(opts[:locked], :locked), versions!(opts[:loaded], :loaded)}

    roots = Enum.map(roots, &root!/1)

    case checked(manifests, fn -> Resolution.solve(manifests, roots, preferences) end) do
      {:ok, chosen} ->
        by_index = List.to_tuple(manifests)

        {:ok,
         for(
           index <- chosen,
           %{id: id, version: version} = elem(by_index, index),
           into: %{},
           do: {id, version}
         )}

      {:error, problem} ->
        {:error, ResolutionError.new(problem)}
    end
  end

  defp root!({:unknown_atom, _name} = id), do: check_root!(id, nil)
  defp root!({id, requirement}), do: check_root!(id, requirement)
  defp root!(id), do: check_root!(id, nil)

  defp check_root!(id, requirement) do
    case Manifest.check(%{
           id: :root,
           version: "0.0.0",
           capabilities: [],
           dependencies: [{id, version: requirement}]
         }) do
      :ok when not is_tuple(id) or elem(id, 0) == :unknown_atom ->
        {id, requirement}

      _ ->
        raise ArgumentError, "a root is an id or {id, requirement}, got: #{Foreign.term({id, requirement})}"
    end
  end

  defp versions!(versions, option) do
    for {id, version} <- versions || %{} do
      case Manifest.check(%{id: id, version: version, capabilities: [], dependencies: []}) do
        :ok -> {id, version}
        {:error, sentence} -> raise ArgumentError, "#{option}: takes a map of ids to versions: #{sentence}"
      end
    end
  end

  # Few of many loaded plugins matter to a new one, and only those are passed to the core.
  defp relevant([], _manifests), do: []

  defp relevant(loaded, manifests) do
    wanted =
      for %{dependencies: dependencies} <- manifests,
          {target, _opts} <- dependencies,
          into: MapSet.new(),
          do: target

    coming = for %{id: id} <- manifests, into: MapSet.new(), do: id

    Enum.filter(loaded, fn manifest ->
      manifest.id in wanted or
        Enum.any?(manifest.dependencies, fn {target, _opts} -> target in coming end) or
        Enum.any?(manifest.capabilities, fn {name, _value} -> {:capability, name} in wanted end)
    end)
  end

  defp load_order!(manifests, loaded) do
    checked(manifests ++ loaded, fn -> Resolution.load_order(manifests, loaded) end)
  end

  # The core reads the manifests and refuses a malformed one. Checking each of them first would take ten times
  # as long as the rest, so the check runs only after a refusal, to find the fault.
  defp checked(manifests, resolve) do
    resolve.()
  rescue
    error ->
      Enum.each(manifests, &check!/1)
      reraise error, __STACKTRACE__
  end

  defp check!(manifest) do
    with {:error, sentence} <- Manifest.check(manifest) do
      raise ArgumentError, "not a manifest: #{sentence}; got: #{Foreign.term(manifest)}"
    end
  end
end
