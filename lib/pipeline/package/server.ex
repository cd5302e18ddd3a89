defmodule Pipeline.Package.Server do
  @moduledoc false
  # Changes what code of packages the VM has, one change after the other, and stops the application of a package when
  # nobody uses it any more.
  #
  # Users of an application are the trees of the plugins that need it. A tree that ends, however it does, uses it no longer.

  use GenServer

  require Logger

  alias Pipeline.Package.{Change, Modules, Problem, Protocols, Unit, Units}
  alias Pipeline.Plugin.Tree

  @spec start_link(term) :: GenServer.on_start()
  def start_link(_opts), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Loads the code of a unit, all or none of it. Says whether it was there."
  @spec load(Unit.t()) :: {:ok, :loaded | :there} | {:error, term}
  def load(%Unit{} = unit), do: GenServer.call(__MODULE__, {:load, unit}, :infinity)

  @doc "Takes the code of a unit out of the VM, but for what other units need."
  @spec purge(Path.t(), force? :: boolean) :: :ok | {:error, {:code_in_use, [pid]}}
  def purge(key, force?), do: GenServer.call(__MODULE__, {:purge, key, force?}, :infinity)

  @doc "Puts the new version of a unit in place of the old one, or leaves that."
  @spec apply_change(Change.t()) :: :ok | {:error, term}
  def apply_change(%Change{} = change), do: GenServer.call(__MODULE__, {:apply, change}, :infinity)

  @doc "Goes back to the old version, if it is not there."
  @spec undo_change(Change.t()) :: :ok | {:error, term}
  def undo_change(%Change{} = change), do: GenServer.call(__MODULE__, {:undo, change}, :infinity)

  @doc "Takes out what the new version does not have."
  @spec settle_change(Change.t()) :: :ok
  def settle_change(%Change{} = change), do: GenServer.call(__MODULE__, {:settle, change}, :infinity)

  @doc "Notes that a tree uses the application of a unit."
  @spec hold(Path.t(), pid) :: :ok
  def hold(key, tree), do: GenServer.call(__MODULE__, {:hold, key, tree}, :infinity)

  @doc "Notes that it does not any more. The application has stopped then, if it was the last."
  @spec release(pid) :: :ok
  def release(tree), do: GenServer.call(__MODULE__, {:release, tree}, :infinity)

  @doc "Under a supervisor of its own: its end is nobody else's."
  @spec child_spec(term) :: Supervisor.child_spec()
  def child_spec(_opts) do
    server = %{id: __MODULE__, start: {__MODULE__, :start_link, [[]]}}
    start = {Supervisor, :start_link, [[server], [strategy: :one_for_one, max_restarts: 20]]}
    %{id: __MODULE__, type: :supervisor, start: start}
  end

  @impl GenServer
  # The trees that use an application, each with its monitor. One before this may have left some, and protocols on their way.
  def init([]) do
    :ok = sync_protocols(Units.all())

    {:ok,
     for {key, unit} <- Units.all(),
         {instance, id} <- Units.users(unit),
         {tree, _phase} <- [Tree.find(instance, id)],
         into: %{} do
       {tree, {key, Process.monitor(tree)}}
     end}
  end

  @impl GenServer
  def handle_call({:load, unit}, _from, trees), do: {:reply, load_unit(unit, Units.all()), trees}
  def handle_call({:purge, key, force?}, _from, trees), do: {:reply, purge_unit(key, force?), trees}

  def handle_call({:apply, change}, _from, trees) do
    trees = move(trees, change.old, change.new)

    case replace(change, trees) do
      :ok ->
        {:reply, :ok, trees}

      {:error, reason} ->
        {back, trees} = go_back(change, trees)
        # Where that is not possible, the caller has to know.
        {:reply, if(back == :ok, do: {:error, reason}, else: {:error, {:stays, reason}}), trees}
    end
  end

  def handle_call({:undo, change}, _from, trees) do
    {result, trees} = go_back(change, trees)
    {:reply, result, trees}
  end

  def handle_call({:settle, change}, _from, trees) do
    _ = Modules.purge(change.gone, false)
    for module <- change.load, do: :code.soft_purge(module)
    {:reply, :ok, trees}
  end

  def handle_call({:hold, key, tree}, _from, trees) do
    {:reply, :ok, Map.put_new_lazy(trees, tree, fn -> {key, Process.monitor(tree)} end)}
  end

  def handle_call({:release, tree}, _from, trees), do: {:reply, :ok, forget(trees, tree)}

  @impl GenServer
  def handle_info({:DOWN, _monitor, :process, tree, _reason}, trees), do: {:noreply, forget(trees, tree)}
  def handle_info(_message, trees), do: {:noreply, trees}

  defp forget(trees, tree) do
    case Map.pop(trees, tree) do
      {nil, trees} ->
        trees

      {{key, monitor}, trees} ->
        Process.demonitor(monitor, [:flush])
        used? = Enum.any?(trees, &match?({_tree, {^key, _}}, &1))
        if not used?, do: stop_applications(Units.all()[key])
        trees
    end
  end

  # The package's own before those that it brings. What of these another package has too goes on.
  defp stop_applications(nil), do: :ok

  defp stop_applications(%Unit{apps: apps} = unit) do
    others = Map.delete(Units.all(), unit.key)
    own = for {name, _spec} <- apps, not has_app?(others, name), do: name

    # The latest first. A VM that stops does it itself, and answers nobody meanwhile.
    if elem(:init.get_status(), 0) != :stopping do
      for {name, _description, _version} <- Application.started_applications(), name in own do
        Application.stop(name)
      end
    end

    :ok
  end

  # Loading

  defp load_unit(unit, units) do
    case units[unit.key] do
      nil -> load_new(unit, units)
      there -> if same?(there, unit), do: {:ok, :there}, else: {:error, {:changed, unit.key}}
    end
  end

  # The record lacks what the host has.
  defp same?(there, unit) do
    {own, others} = Map.split(unit.modules, Map.keys(there.modules))
    md5s(own) == md5s(there.modules) and Modules.missing(%{unit | modules: others}) == {:ok, []}
  end

  defp md5s(modules), do: Map.new(modules, fn {module, %{md5: md5}} -> {module, md5} end)

  defp load_new(unit, units) do
    with {:ok, missing} <- Modules.missing(unit) do
      # Of the host is what was there and no unit has.
      shared = for module <- Map.keys(unit.modules) -- missing, Units.owner(module), do: module
      own = %{unit | modules: Map.take(unit.modules, missing ++ shared), apps: load_applications(unit, units)}
      paths = for path <- unit.paths, path not in :code.get_path(), do: path
      own = %{own | paths: paths}
      for path <- paths, do: :code.add_pathz(path)

      with :ok <- Modules.load(unit, missing, false),
           # After the code of the implementations, and before anybody can have what they are for.
           with_own = Map.put(units, unit.key, own),
           :ok <- Protocols.sync(with_own) do
        Units.put(with_own)
        {:ok, :loaded}
      else
        {:error, reason} ->
          Modules.purge(missing, false)
          leave(own, units)
          {:error, reason}
      end
    end
  end

  # Those that the host does not have.
  defp load_applications(%Unit{apps: apps}, others) do
    for {name, spec} = app <- apps, :application.load(spec) == :ok or has_app?(others, name), do: app
  end

  defp has_app?(units, name), do: Enum.any?(units, fn {_key, unit} -> List.keymember?(unit.apps, name, 0) end)

  defp leave(%Unit{apps: apps, paths: paths}, others) do
    for {name, _spec} <- apps, not has_app?(others, name), do: Application.unload(name)
    for path <- paths, do: :code.del_path(path)
    :ok
  end

  # On the way back and out. Where that cannot be done a protocol knows a type too many, whose values are gone.
  defp sync_protocols(units) do
    with {:error, reason} <- Protocols.sync(units), do: Logger.warning(Problem.sentence(reason))
    :ok
  end

  # Purging

  defp purge_unit(key, force?) do
    case Map.pop(Units.all(), key) do
      {nil, _units} ->
        :ok

      {unit, others} ->
        stop_applications(unit)

        needed =
          for {_key, other} <- others, module <- Map.keys(other.modules), into: MapSet.new(), do: module

        # What the host's protocols do not know any more can go.
        :ok = sync_protocols(others)
        Units.put(others)
        leave(unit, others)

        Modules.purge(
          for(module <- Map.keys(unit.modules) ++ unit.gone, module not in needed, do: module),
          force?
        )
    end
  end

  # Upgrading

  defp replace(%Change{old: old, new: new} = change, trees) do
    stop_applications(old)

    with :ok <- Modules.load(new, change.load, false),
         others = without(old),
         :ok <- Protocols.sync(Map.put(others, new.key, new)) do
      if old, do: leave(old, others)
      take(new, others, change.gone)
      start_application(Units.all()[new.key], trees)
    end
  end

  # Whoever still runs the version before is one of its own processes, of a plugin that did not get through: it is ended,
  # so that the version before can be whole.
  defp go_back(%Change{old: old, new: new, back: back} = change, trees) do
    replaced = for {module, %{md5: md5}} <- back, not Modules.loaded?(module, md5), do: module
    there = Units.all()[new.key]
    trees = move(trees, new, old)

    if there != old do
      stop_applications(there)
      if there, do: leave(there, Map.delete(Units.all(), new.key))
    end

    case Modules.load(%{new | modules: back}, replaced, true) do
      :ok ->
        others = Map.delete(Units.all(), new.key)
        :ok = sync_protocols(if old, do: Map.put(others, old.key, old), else: others)
        if old, do: restore(old, others), else: Units.put(others)
        _ = Modules.purge(for(module <- change.load, not is_map_key(back, module), do: module), true)
        {start_application(old, trees), trees}

      {:error, reason} ->
        {{:error, reason}, trees}
    end
  end

  defp without(nil), do: Units.all()
  defp without(old), do: Map.delete(Units.all(), old.key)

  # Its applications and its paths, and that it is there.
  defp take(unit, others, gone) do
    for path <- unit.paths, do: :code.add_pathz(path)
    apps = load_applications(unit, others)
    Units.put(Map.put(others, unit.key, %{unit | apps: apps, gone: gone}))
  end

  # As it was: its applications may still be there.
  defp restore(%Unit{apps: apps, paths: paths} = unit, others) do
    for path <- paths, do: :code.add_pathz(path)
    for {_name, spec} <- apps, do: :application.load(spec)
    Units.put(Map.put(others, unit.key, unit))
  end

  defp start_application(%Unit{app: app, apps: apps, key: key}, trees) when app != nil do
    used? = Enum.any?(trees, &match?({_tree, {^key, _}}, &1))

    if used? and List.keymember?(apps, app, 0) do
      with {:error, {failed, reason}} <- Application.ensure_all_started(app, :temporary),
           do: {:error, {:application, failed, reason}},
           else: (_ -> :ok)
    else
      :ok
    end
  end

  defp start_application(_none, _trees), do: :ok

  defp move(trees, %Unit{key: from}, %Unit{key: to}) do
    Map.new(trees, fn
      {tree, {^from, monitor}} -> {tree, {to, monitor}}
      other -> other
    end)
  end

  defp move(trees, _from, _to), do: trees
end
