defmodule Pipeline.Cluster.Change.Load do
  @moduledoc false
  # Loads plugins on all nodes.

  @behaviour Pipeline.Cluster.Change

  alias Pipeline.Cluster.{Code, Coordinator, Entry, Table}
  alias Pipeline.Plugin.{Loader, Error, Manager, Registry}
  alias Pipeline.Plugin.Manager.Candidate

  @derive {Inspect, only: [:timeout]}
  @enforce_keys [:plugins, :code, :beside, :timeout]
  defstruct [:plugins, :code, :beside, :timeout]

  @doc "Loads plugins on all nodes; `modules` are shipped with them."
  @spec request([{module, term}], [module], timeout, atom) ::
          {:ok, [Pipeline.Plugin.plugin_id()]} | {:error, term}
  def request(plugins, modules, timeout, instance) do
    known = known(instance)

    with {:ok, code} <- Code.read(for({module, _} <- plugins, do: module), known),
         {:ok, beside} <- Code.read(modules, known),
         change = %__MODULE__{plugins: plugins, code: code, beside: beside, timeout: timeout},
         {:ok, [ids | _]} <- Coordinator.run(change, instance) do
      {:ok, ids}
    end
  end

  @doc "The code that was shipped to this node, or from it."
  @spec known(atom) :: [Code.t()]
  def known(instance) do
    if Table.settings(instance),
      do: for({%{code: code}, _here} <- Table.all(instance), one <- code, do: one),
      else: []
  end

  @impl true
  def ids(%{plugins: plugins}) do
    for {module, _config} <- plugins, function_exported?(module, :__plugin__, 0), do: module.__plugin__().id
  end

  @impl true
  def prepare(%{plugins: plugins} = change, instance) do
    with {:ok, shipped} <- Code.install(change.beside ++ change.code, instance) do
      with {:ok, candidates} <- Candidate.prepare(plugins),
           :ok <- Candidate.check_new(candidates, loaded(instance)),
           {:ok, _waves} <- resolve(Enum.map(candidates, & &1.manifest), instance) do
        {:ok, %{change: __MODULE__, shipped: shipped, ids: ids(change)}, nil}
      else
        {:error, reason} ->
          Code.remove(shipped)
          {:error, reason}
      end
    end
  end

  defp loaded(instance), do: Map.new(Registry.list(Registry.owned(instance)), &{&1.id, &1})

  defp resolve(manifests, instance) do
    running = for {_id, %{state: :started} = info} <- loaded(instance), do: info

    with {:error, error} <- Loader.load_order(manifests, loaded: running),
         do: {:error, Error.resolution(error)}
  end

  @impl true
  def perform(%{plugins: plugins, timeout: timeout}, instance, undo) do
    case Manager.load_plugins(plugins, instance: instance, timeout: timeout) do
      {:ok, ids} -> {:ok, %{undo | ids: ids}, ids}
      # Nothing of it is left, and what has one of the ids is not ours.
      {:error, error} -> {:error, error, %{undo | ids: []}}
    end
  end

  @impl true
  def entries(%{plugins: plugins, code: code, beside: beside}, _found, _results, clocks) do
    for {{module, config}, own} <- Enum.zip(plugins, code) do
      id = module.__plugin__().id
      clock = Entry.next(Map.get(clocks, id, []))
      %Entry{id: id, clock: clock, state: :loaded, module: module, config: config, code: [own | beside]}
    end
  end

  @impl true
  def undo(%{ids: ids, shipped: shipped}, instance) do
    left =
      Enum.filter(Enum.reverse(ids), fn id ->
        result = Manager.unload_plugin(id, instance: instance, cascade: true)
        not match?(:ok, result) and not match?({:error, %Error{reason: {:not_loaded, ^id}}}, result)
      end)

    if left == [] do
      Code.remove(shipped)
    else
      {:error, left}
    end
  end
end
