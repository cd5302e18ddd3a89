defmodule Pipeline.Cluster.CatchUp do
  @moduledoc false
  # Carries out on this node the entries that other nodes have made: plugins loaded, upgraded or unloaded while it was
  # away. An entry is carried out once; later changes of the plugin on this node stand. An entry that cannot be carried out
  # is reported once, and tried again when plugins have changed.

  require Logger

  alias Pipeline.Cluster.{Advice, Code, Entry, Table}
  alias Pipeline.Plugin.{Dependents, Events, Error, Manager, Registry}
  alias Pipeline.Plugin.Manager.Server

  @spec run(atom) :: :ok
  def run(instance) do
    rounds(pending(instance, :unloaded), &unload(&1, instance), instance)
    {there, _missing} = wanted(instance)
    rounds(there, &replace(&1, instance), instance)
    # Including plugins that were unloaded to make way.
    {_there, missing} = wanted(instance)
    unless load_all(missing, instance), do: rounds(missing, &load(&1, instance), instance)
    :ok
  end

  @doc "Whether an entry is left to carry out."
  @spec pending?(atom) :: boolean
  def pending?(instance),
    do: Enum.any?(Table.all(instance), fn {entry, here} -> here.applied != entry.clock end)

  @doc "The plugins that are loaded on all nodes, and not on this one although it has heard of them."
  @spec missing(atom) :: [Pipeline.Plugin.plugin_id()]
  def missing(instance) do
    {_there, missing} = wanted(instance)
    for {%{id: id}, _here} <- missing, do: id
  end

  defp pending(instance, state) do
    for {%{state: ^state} = entry, here} <- Table.all(instance),
        here.applied != entry.clock,
        do: {entry, here}
  end

  defp wanted(instance) do
    Enum.split_with(pending(instance, :loaded), fn {entry, _here} -> info(entry, instance) != nil end)
  end

  # An entry can wait for another, so failed ones are tried again as long as one succeeds.
  defp rounds([], _step, _instance), do: :ok

  defp rounds(entries, step, instance) do
    failed =
      Enum.flat_map(entries, fn entry ->
        case step.(entry) do
          :ok -> []
          {:error, reason} -> [{entry, reason}]
        end
      end)

    if length(failed) == length(entries),
      do: Enum.each(failed, &report(&1, instance)),
      else: failed |> Enum.map(&elem(&1, 0)) |> rounds(step, instance)
  end

  # A node keeps plugins that it loaded by itself, and what they need. Dependents that the other side of a split loaded on
  # all nodes are unloaded with the plugin on every node, and wait.
  defp unload({%{id: id} = entry, here}, instance) do
    cond do
      # It was not the cluster that loaded it here.
      here.applied == nil -> done(entry, here, [], instance)
      info(entry, instance) == nil -> removed(entry, here, instance)
      true -> with :ok <- unload_here(id, instance), do: removed(entry, here, instance)
    end
  end

  defp unload_here(id, instance) do
    with {:error, %Error{reason: {:required_by, _}}} = error <- Manager.unload_plugin(id, instance: instance) do
      if step_aside(id, instance), do: Manager.unload_plugin(id, instance: instance), else: error
    end
  end

  # Unloads the dependents of a plugin if all were loaded on all nodes. They are loaded again when that is possible.
  defp step_aside(id, instance) do
    running = for %{state: :started} = info <- Manager.list_plugins(instance: instance), do: {info.id, info}
    dependents = Dependents.all(Map.new(running), [id])

    of_cluster =
      for id <- dependents,
          {%{state: :loaded}, %{applied: {_, _}}} = found <- [Table.get(instance, id)],
          do: found

    going? = dependents != [] and length(of_cluster) == length(dependents)
    # They are loaded again when that is possible, and guard their points until then.
    if going?, do: Server.unsynced(instance, missing(instance) ++ dependents)

    going? and
      Enum.all?(of_cluster, fn {entry, here} ->
        with :ok <- Manager.unload_plugin(entry.id, instance: instance) do
          Table.put(instance, entry, %{here | applied: nil, failed: nil})
        end == :ok
      end)
  end

  @doc "Notes that a plugin is unloaded here, and removes the code that was shipped for it."
  @spec removed(Entry.t(), Table.here(), atom) :: :ok
  def removed(entry, here, instance) do
    in_use =
      for {%{id: id, state: :loaded}, %{shipped: shipped}} <- Table.all(instance),
          id != entry.id,
          module <- shipped,
          do: module

    Code.remove(here.shipped -- in_use)
    Table.put(instance, entry, %{applied: entry.clock, code: nil, config: nil, shipped: [], failed: nil})
  end

  @doc "Notes that an entry is carried out here."
  @spec done(Entry.t(), Table.here(), [module], atom) :: :ok
  def done(entry, here, shipped, instance) do
    shipped = Enum.uniq(shipped ++ here.shipped)
    code = List.first(entry.code)
    here = %{applied: entry.clock, code: code, config: entry.config, shipped: shipped, failed: nil}
    Table.put(instance, entry, here)
  end

  # All at once, in the order of their dependencies.
  defp load_all([], _instance), do: true

  defp load_all(missing, instance) do
    installed =
      for {entry, here} <- missing,
          {:ok, shipped} <- [install(entry, instance)],
          do: {entry, here, shipped}

    with true <- length(installed) == length(missing),
         {:ok, _ids} <-
           Manager.load_plugins(for({entry, _, _} <- installed, do: plugin(entry)), instance: instance) do
      for {entry, here, shipped} <- installed, do: done(entry, here, shipped, instance)
      true
    else
      _ ->
        for {_entry, _here, shipped} <- installed, do: Code.remove(shipped)
        false
    end
  end

  defp load({entry, here}, instance) do
    {module, config} = plugin(entry)

    with {:ok, shipped} <- install(entry, instance) do
      case Manager.load_plugin(module, config, instance: instance) do
        {:ok, _id} ->
          done(entry, here, shipped, instance)

        {:error, error} ->
          Code.remove(shipped)
          {:error, error}
      end
    end
  end

  # Modules that the plugin may need while it is loaded come first.
  defp install(%{code: [own | beside], upgraded?: upgraded?}, instance) do
    Code.install(beside ++ [own], instance, if(upgraded?, do: [own.module], else: []))
  end

  defp plugin(%{module: module, config: config}), do: {module, config}

  # It is here already: loaded by somebody else, or as it was before a split.
  defp replace({entry, here}, instance) do
    %{module: module, config: config, code: [own | beside]} = entry
    info = info(entry, instance)
    # Its configuration can have changed since it was loaded with that of the entry.
    same_config? = config == if(here.applied, do: here.config, else: info.config)

    cond do
      info.module == module and same_config? and Code.runs?(own) ->
        done(entry, here, [], instance)

      here.applied == nil ->
        reason = {:already_loaded, entry.id}
        {:error, %Error{plugin: entry.id, module: info.module, step: :validate, reason: reason}}

      true ->
        with {:ok, shipped} <- Code.install(beside, instance),
             {:ok, _version} <- upgrade_here(entry, here.code, not same_config?, instance),
             :ok <- if(same_config?, do: :ok, else: Manager.restart_plugin(entry.id, instance: instance)) do
          own = if Code.in_file?(own), do: [], else: [own.module]
          done(entry, here, own ++ shipped, instance)
        end
    end
  end

  # Dependents that do not accept the new version wait for one that they accept.
  defp upgrade_here(entry, runs, new_config?, instance) do
    with {:error, %Error{step: :resolve}} = error <- upgrade(entry, runs, new_config?, instance) do
      if step_aside(entry.id, instance), do: upgrade(entry, runs, new_config?, instance), else: error
    end
  end

  defp upgrade(%{id: id, code: [own | _], config: config}, runs, new_config?, instance) do
    config = if new_config?, do: [config: config], else: []

    with {:ok, target} <- Code.to_upgrade(own, instance),
         do: Manager.upgrade_plugin(id, target, [instance: instance] ++ config ++ Code.rollback(runs, own))
  end

  # Not as `plugin_info/2` shows it, without secrets.
  defp info(%{id: id}, instance), do: Registry.info(Registry.owned(instance), id)

  defp report({{%{id: id} = entry, here}, reason}, instance) do
    if here.failed != reason do
      Logger.warning(
        "plugin #{inspect(id)} should be #{entry.state} on all nodes, but cannot be on #{node()}: " <>
          Advice.sentence(entry, reason)
      )

      Table.put(instance, entry, %{here | failed: reason})

      payload = %{
        id: id,
        node: node(),
        state: entry.state,
        reason: reason,
        advice: Advice.sentence(entry, reason)
      }

      Events.emit(:cluster_failed, payload, instance: instance)
    end
  end
end
