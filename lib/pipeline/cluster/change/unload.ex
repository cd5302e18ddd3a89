defmodule Pipeline.Cluster.Change.Unload do
  @moduledoc false
  # Unloads a plugin on all nodes that have it.

  @behaviour Pipeline.Cluster.Change

  require Logger

  alias Pipeline.Cluster.{Coordinator, Entry, Table}
  alias Pipeline.Plugin.{Dependents, Error, Manager, Registry}
  alias Pipeline.Instance.Names

  @enforce_keys [:id, :opts]
  defstruct [:id, :opts]

  @doc "Unloads a plugin on all nodes. Options are those of `Pipeline.Plugin.Manager.unload_plugin/2`."
  @spec request(Pipeline.Plugin.plugin_id(), keyword, atom) :: :ok | {:error, term}
  def request(id, opts, instance) do
    opts = Keyword.take(opts, [:cascade, :drain_timeout, :force, :purge])
    leaving = for %{id: leaving} <- leaving(id, instance), do: leaving

    with :ok <- not_itself(leaving, instance),
         {:ok, results} <- Coordinator.run(%__MODULE__{id: id, opts: opts}, instance) do
      if Enum.all?(results, &(&1 == :unknown)), do: {:error, {:not_loaded, id}}, else: :ok
    end
  end

  @doc "Whether the caller is not the process of one of these plugins, which cannot wait for its own end."
  @spec not_itself([Pipeline.Plugin.plugin_id()], atom) :: :ok | {:error, {:called_from_callback, :itself}}
  def not_itself(ids, instance) do
    if Enum.any?(ids, &(Names.whereis(instance, {:plugin, &1}) == self())),
      do: {:error, {:called_from_callback, :itself}},
      else: :ok
  end

  @impl true
  def ids(%{id: id}), do: [id]

  @impl true
  def prepare(%{id: id, opts: opts}, instance) do
    leaving = leaving(id, instance)
    undo = %{change: __MODULE__, shipped: [], plugins: Enum.reverse(leaving)}

    case for(%{id: other} <- leaving, other != id, do: other) do
      [_ | _] = dependents ->
        if opts[:cascade] == true,
          do: {:ok, undo, clocks(instance)},
          else: {:error, {:required_by, dependents}}

      [] ->
        {:ok, undo, clocks(instance)}
    end
  end

  # The plugin and what cannot do without it, each before what it needs.
  defp leaving(id, instance) do
    plugins = Map.new(Registry.list(Registry.owned(instance)), &{&1.id, &1})
    running = Map.filter(plugins, fn {_id, info} -> info.state == :started end)

    case plugins do
      %{^id => %{state: :started} = info} ->
        for(other <- Dependents.all(running, [id]), do: running[other]) ++ [info]

      %{^id => info} ->
        [info]

      %{} ->
        []
    end
  end

  defp clocks(instance),
    do: for({%{state: :loaded} = entry, _here} <- Table.all(instance), do: {entry.id, entry.clock})

  @impl true
  def perform(%{id: id, opts: opts}, instance, undo) do
    wanted? = match?({%{state: :loaded}, _here}, Table.get(instance, id))

    case Manager.unload_plugin(id, [instance: instance] ++ opts) do
      :ok ->
        {:ok, undo, gone(undo)}

      # It is unloaded then, and its code stays for those who run it.
      {:error, %Error{reason: {:code_in_use, _pids}}} ->
        {:ok, undo, gone(undo)}

      {:error, %Error{reason: {:not_loaded, ^id}}} ->
        {:ok, undo, if(wanted?, do: {:gone, [id]}, else: :unknown)}

      {:error, reason} ->
        {:error, reason, undo}
    end
  end

  defp gone(%{plugins: plugins}), do: {:gone, for(%{id: id} <- plugins, do: id)}

  # Plugins of the cluster that were unloaded on some node.
  @impl true
  def entries(%{id: id}, found, results, _clocks) do
    clocks = Enum.concat(found)

    for gone <- Enum.uniq(for({:gone, ids} <- results, gone <- ids, do: gone)),
        seen = for({^gone, clock} <- clocks, do: clock),
        seen != [] or gone == id do
      %Entry{id: gone, clock: Entry.next(seen), state: :unloaded}
    end
  end

  @impl true
  def undo(%{plugins: plugins}, instance) do
    gone = for info <- plugins, Manager.plugin_info(info.id, instance: instance) == :error, do: info

    case gone != [] and Manager.load_plugins(for(i <- gone, do: {i.module, i.config}), instance: instance) do
      {:error, %Error{} = error} ->
        Logger.error(
          "an unloading on all nodes failed and cannot be taken back here: " <> Exception.message(error)
        )

      _ ->
        for %{id: id, state: :stopped} <- gone, do: Manager.disable_plugin(id, instance: instance)
    end

    :ok
  end
end
