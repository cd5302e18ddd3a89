defmodule Pipeline.Plugin.Graph do
  @moduledoc """
  The dependency graph of plugins and their hook chains, as data and as a drawing.

      {:ok, found} = Pipeline.Plugin.Discovery.discover_plugins(["plugins/*/ebin"])
      graph = Pipeline.Plugin.Graph.new(Enum.map(found, & &1.manifest))
      {:ok, mermaid} = Pipeline.Plugin.Graph.render(graph, :mermaid)

  `of_instance/1` returns the graph of a running instance with its chains. `mix pipeline.graph` draws from a
  shell.

      iex> blog = %{id: :blog, version: "1.2.0", capabilities: [], dependencies: [{:cache, version: "~> 1.0"}]}
      iex> cache = %{id: :cache, version: "1.4.0", capabilities: [], dependencies: []}
      iex> {:ok, text} = Pipeline.Plugin.Graph.render(Pipeline.Plugin.Graph.new([blog, cache]), :text)
      iex> String.split(text, ["  ", <<10>>], trim: true)
      ["Plugins", "blog 1.2.0", "needs cache ~> 1.0: cache 1.4.0", "cache 1.4.0"]
  """

  alias Pipeline.{Hook, Instance}
  alias Pipeline.Hook.{Chain, ChainStore}
  alias Pipeline.Plugin.Graph.{Data, Dot, Mermaid, RenderError, Svg, Text}
  alias Pipeline.Plugin.{Error, Manager, Requirement}
  alias Pipeline.Options
  alias Pipeline.Plugin.Manager.{Candidate, Hooks, Load, State}

  @typedoc """
  A plugin, or a missing dependency: a plugin or a capability.

  Edges refer to a node by its index in `nodes`, since several versions of a plugin can be present.
  """
  @type graph_node :: %{
          id: term,
          version: String.t() | nil,
          kind: :plugin | :missing_plugin | :missing_capability
        }

  @typedoc """
  A dependency of one node on another, by id with a requirement, or by capability. `met` is `false` if the
  target is missing or its version does not match.
  """
  @type edge :: %{
          from: non_neg_integer,
          to: non_neg_integer,
          requirement: String.t() | nil,
          capability: term,
          optional: boolean,
          met: boolean
        }

  @typedoc "A hook point with its hooks in their order, each as `Pipeline.Hook.chain/2` returns it."
  @type chain :: %{point: atom, mode: Hook.Spec.mode(), hooks: [map]}

  @type t :: %__MODULE__{nodes: [graph_node], edges: [edge], chains: [chain]}

  @type format :: :text | :mermaid | :dot | :svg | :json

  @formats [:text, :mermaid, :dot, :svg, :json]

  defstruct nodes: [], edges: [], chains: []

  @doc """
  Returns the graph of some manifests.

  ## Options

    * `:chains` - hook chains to draw with it, see `chains/2`
  """
  @spec new([Pipeline.Plugin.Loader.manifest()], keyword) :: t
  def new(manifests, opts \\ []) do
    Options.validate!(opts, [:chains], "Pipeline.Plugin.Graph.new/2")
    there = for manifest <- manifests, do: %{id: manifest.id, version: manifest.version, kind: :plugin}
    index = index(manifests)

    {edges, missing} =
      manifests
      |> Enum.with_index()
      |> Enum.flat_map(fn {manifest, from} -> Enum.map(manifest.dependencies, &{from, &1}) end)
      |> Enum.flat_map_reduce(%{}, fn {from, dependency}, missing ->
        {targets, missing} = targets(dependency, index, missing, length(there))
        {Enum.map(targets, &edge(from, dependency, &1)), missing}
      end)

    missing = for {node, _} <- Enum.sort_by(missing, &elem(&1, 1)), do: node
    %__MODULE__{nodes: there ++ missing, edges: edges, chains: opts[:chains] || []}
  end

  @doc """
  Returns the graph of a running instance, with its hook chains.

  ## Options

    * `:instance` - by default the instance that the application starts
  """
  @spec of_instance(keyword) :: t
  def of_instance(opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Plugin.Graph.of_instance/1")
    instance = opts[:instance] || Instance.default()
    chains = for point <- ChainStore.points(instance), do: {point, ChainStore.chain(instance, point)}
    new(Manager.list_plugins(opts), chains: describe(chains))
  end

  @doc """
  Returns the hook chains that an instance with only these plugins would have.

  No process is started and no callback runs. Hooks have the order that loading would give them, and the
  errors are those of loading. The modules must be loaded or in the code path.

  ## Options

    * `:hooks` - the host's `Pipeline.Hook.Spec`
  """
  @spec chains([module], keyword) :: {:ok, [chain]} | {:error, Error.t()}
  def chains(modules, opts \\ []) do
    Options.validate!(opts, [:hooks], "Pipeline.Plugin.Graph.chains/2")
    spec = opts[:hooks]
    state = %State{spec: spec}

    with {:ok, candidates} <- Candidate.prepare(Enum.map(modules, &{&1, %{}})),
         :ok <- Candidate.check_new(candidates, %{}),
         {:ok, candidates} <- Load.resolve(state, candidates),
         {:ok, chains} <- Hooks.chains(candidates, &declared(spec, &1), state) do
      {:ok, describe(chains)}
    end
  end

  @doc """
  Draws a graph as `:text`, `:mermaid`, `:dot` or `:svg`, or writes it as `:json`: an object with `nodes`, `edges` and `chains`,
  whose edges name nodes by their index.

  SVG needs Graphviz; the other formats never fail.

  ## Options

    * `:graphviz` - the program that turns DOT into SVG, by default `"dot"`
  """
  @spec render(t, format, keyword) :: {:ok, String.t()} | {:error, RenderError.t()}
  def render(graph, format, opts \\ [])

  def render(%__MODULE__{} = graph, format, opts) when format in @formats do
    Options.validate!(opts, [:graphviz], "Pipeline.Plugin.Graph.render/3")

    case format do
      :text -> {:ok, Text.render(graph)}
      :mermaid -> {:ok, Mermaid.render(graph)}
      :dot -> {:ok, Dot.render(graph)}
      :json -> {:ok, Data.render(graph)}
      :svg -> graph |> Dot.render() |> Svg.render(opts[:graphviz] || "dot")
    end
  end

  def render(%__MODULE__{}, format, _opts) do
    raise ArgumentError,
          "a graph can be drawn as #{Enum.map_join(@formats, ", ", &inspect/1)}, got: #{inspect(format)}"
  end

  @doc "Returns the formats of `render/3`."
  @spec formats() :: [format]
  def formats, do: @formats

  defp index(manifests) do
    indexed = Enum.with_index(manifests)

    %{
      ids: Enum.group_by(indexed, fn {manifest, _} -> manifest.id end),
      capabilities:
        indexed
        |> Enum.flat_map(fn {manifest, index} ->
          for {name, _value} <- Enum.uniq_by(manifest.capabilities, &elem(&1, 0)), do: {name, index}
        end)
        |> Enum.group_by(&elem(&1, 0), &elem(&1, 1))
    }
  end

  # Pairs of a node and whether it meets the dependency.
  defp targets({{:capability, name}, _opts}, index, missing, count) do
    case index.capabilities[name] do
      nil -> missing(%{id: name, version: nil, kind: :missing_capability}, missing, count)
      providers -> {Enum.map(providers, &{&1, true}), missing}
    end
  end

  defp targets({id, opts}, index, missing, count) do
    case index.ids[id] do
      nil ->
        missing(%{id: id, version: nil, kind: :missing_plugin}, missing, count)

      versions ->
        matching = Enum.filter(versions, fn {manifest, _} -> match_version?(manifest, opts[:version]) end)
        {[{newest(if(matching == [], do: versions, else: matching)), matching != []}], missing}
    end
  end

  defp missing(node, missing, count) do
    missing = Map.put_new(missing, node, count + map_size(missing))
    {[{missing[node], false}], missing}
  end

  defp match_version?(_manifest, nil), do: true
  defp match_version?(%{version: version}, requirement), do: Requirement.match?(version, requirement)

  defp newest(versions) do
    {_manifest, index} = Enum.max_by(versions, fn {manifest, _} -> manifest.version end, Version)
    index
  end

  defp edge(from, {target, opts}, {to, met?}) do
    capability = if match?({:capability, _}, target), do: elem(target, 1)

    %{
      from: from,
      to: to,
      requirement: opts[:version],
      capability: capability,
      optional: opts[:optional] == true,
      met: met?
    }
  end

  defp declared(spec, point) do
    if mode = spec && Hook.Spec.mode(spec, point), do: Chain.new(point, nil, mode, [])
  end

  # A chain without hooks was removed meanwhile.
  defp describe(chains) do
    for {point, %Chain{registrations: [_ | _]} = chain} <- Enum.sort_by(chains, &elem(&1, 0)) do
      %{point: point, mode: chain.mode, hooks: Chain.describe(chain)}
    end
  end
end
