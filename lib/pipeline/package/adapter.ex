defmodule Pipeline.Package.Adapter do
  @moduledoc false
  # Does for the plugin layer what it must not name modules of this layer for.

  @behaviour Pipeline.Plugin.Packages

  alias Pipeline.{Foreign, Package}
  alias Pipeline.Package.{Change, Folder, Problem, Server, Unit, Units, Watcher}
  alias Pipeline.Plugin.Error

  require Logger

  # An instance starts without its packages too, and says so.
  @impl Pipeline.Plugin.Packages
  def sweep(folder) do
    with {:error, reason} <- Folder.sweep(folder) do
      Logger.error("the folder of packages #{Foreign.path(folder)}: #{Problem.sentence(reason)}")
    end

    :ok
  end

  @impl Pipeline.Plugin.Packages
  def children(_instance, _folder, nil), do: []
  def children(instance, folder, options), do: [{Watcher, {instance, folder, options}}]

  @impl Pipeline.Plugin.Packages
  def modules(plugins, folder), do: modules(plugins, folder, [], [])

  defp modules([], _folder, done, loaded), do: {:ok, Enum.reverse(done), fn -> undo(loaded) end}

  defp modules([{module, config} | plugins], folder, done, loaded) when is_atom(module),
    do: modules(plugins, folder, [{module, config} | done], loaded)

  defp modules([{package, config} | plugins], folder, done, loaded) do
    with {:ok, path} <- Package.locate(package, folder),
         {:ok, unit} <- Unit.read(path, trust: Application.get_env(:pipeline_plugin, :trust)),
         {:ok, module} <- plugin(unit),
         {:ok, how} <- Server.load(unit) do
      loaded = if how == :loaded, do: [unit.key | loaded], else: loaded
      modules(plugins, folder, [{module, config} | done], loaded)
    else
      {:error, reason} ->
        undo(loaded)
        {:error, Problem.error(:load, package, reason)}
    end
  end

  defp undo(keys) do
    for key <- keys, do: Server.purge(key, false)
    :ok
  end

  defp plugin(%{plugins: [module]}), do: {:ok, module}
  defp plugin(%{plugins: [], key: key}), do: {:error, {:no_plugin, key}}
  defp plugin(%{plugins: several}), do: {:error, {:several_plugins, several}}

  @impl Pipeline.Plugin.Packages
  def pack(module) when is_atom(module) do
    case Units.of_plugin(module) do
      %Unit{key: key} -> if Package.installed?(key), do: pack(key), else: :none
      nil -> :none
    end
  end

  # The bytes of a BEAM file are no path.
  def pack(<<"FOR1", _::binary>>), do: :none
  def pack(folder), do: if(Package.installed?(folder), do: Package.pack(folder), else: :none)

  @impl Pipeline.Plugin.Packages
  def unpack(_archive, nil), do: {:error, Problem.error(:load, "sent by another node", :no_packages_folder)}

  def unpack(archive, folder) do
    with {:ok, %{path: path}} <- Package.install(archive, packages: folder), do: {:ok, path}
  end

  @impl Pipeline.Plugin.Packages
  def source(module), do: with(%Unit{key: key} <- Units.of_plugin(module), do: key)

  @impl Pipeline.Plugin.Packages
  def start(module, tree) do
    case Units.of_plugin(module) do
      %Unit{key: key, app: app, apps: apps} ->
        # Also where there is no application: the version that it is upgraded to may have one.
        :ok = Server.hold(key, tree)
        # One of the host is the host's to start.
        if List.keymember?(apps, app, 0), do: start_application(app), else: :ok

      nil ->
        :ok
    end
  end

  defp start_application(app) do
    # The error names the application that does not start, which may be another.
    with {:ok, _started} <- Application.ensure_all_started(app, :temporary), do: :ok
  end

  @impl Pipeline.Plugin.Packages
  def release(tree), do: if(Units.all() == %{}, do: :ok, else: Server.release(tree))

  @impl Pipeline.Plugin.Packages
  def purge(module, force?) do
    case Units.of_plugin(module) do
      %Unit{modules: modules} = unit when is_map_key(modules, module) ->
        if Units.users(unit) == [], do: Server.purge(unit.key, force?), else: :ok

      _host ->
        :none
    end
  end

  # A BEAM file stands for its folder where the plugin was loaded from one; otherwise it is the module alone.
  @impl Pipeline.Plugin.Packages
  def change(path, current, users) do
    cond do
      File.dir?(path) or Path.extname(path) == ".ez" -> read_change(path, current, users)
      Units.owner(current) != nil and File.regular?(path) -> read_change(path, current, users)
      true -> :none
    end
  end

  defp read_change(path, current, users) do
    with {:ok, unit} <- Unit.read(path, trust: Application.get_env(:pipeline_plugin, :trust)),
         {:ok, change} <- Change.new(Units.owner(current), unit, current, users) do
      {:ok, change}
    else
      {:error, %Error{} = error} ->
        {:error, error}

      {:error, reason} ->
        {:error, %Error{step: :code, module: current, reason: reason, detail: Problem.sentence(reason)}}
    end
  end

  @impl Pipeline.Plugin.Packages
  def apply_change(change) do
    case Server.apply_change(change) do
      :ok ->
        :ok

      {:error, {:stays, _} = reason} ->
        {:error, reason}

      {:error, reason} ->
        {:error, %Error{step: :code, module: change.module, reason: reason, detail: Problem.sentence(reason)}}
    end
  end

  @impl Pipeline.Plugin.Packages
  def undo_change(change), do: Server.undo_change(change)

  @impl Pipeline.Plugin.Packages
  def settle_change(change), do: Server.settle_change(change)
end
