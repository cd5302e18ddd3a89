defmodule Pipeline.Cluster.Change.Upgrade do
  @moduledoc false
  # Upgrades a plugin on all nodes.

  @behaviour Pipeline.Cluster.Change

  require Logger

  alias Pipeline.Cluster.Change.{Load, Unload}
  alias Pipeline.Cluster.{Code, Coordinator, Entry, Table}
  alias Pipeline.Plugin.{Manager, Registry}

  # `config` is that of the entry; what runs keeps its own unless one is given in `opts`.
  @derive {Inspect, only: [:id]}
  @enforce_keys [:id, :code, :beside, :config, :opts]
  defstruct [:id, :code, :beside, :config, :opts]

  @doc "Upgrades a plugin on all nodes. Options are those of `Pipeline.Plugin.Manager.upgrade_plugin/3`."
  @spec request(Pipeline.Plugin.plugin_id(), Manager.Upgrade.target(), keyword, atom) ::
          {:ok, Pipeline.Plugin.version()} | {:error, term}
  def request(id, target, opts, instance) do
    known = Load.known(instance)

    with :ok <- Unload.not_itself([id], instance),
         {:ok, info} <- running(id, instance),
         {:ok, code} <- Code.target(target, info.module, known),
         {:ok, beside} <- Code.read(opts[:modules] || [], known),
         change = %__MODULE__{
           id: id,
           code: code,
           beside: beside,
           config: opts[:config] || config(id, info, instance),
           opts: Keyword.take(opts, [:config, :extra, :timeout])
         },
         {:ok, [version | _]} <- Coordinator.run(change, instance) do
      {:ok, version}
    end
  end

  defp config(id, info, instance) do
    case Table.settings(instance) && Table.get(instance, id) do
      {%{state: :loaded, config: config}, _here} -> config
      _ -> info.config
    end
  end

  defp running(id, instance) do
    # Not as `plugin_info/2` shows it, without secrets.
    case Registry.info(Registry.owned(instance), id) do
      %{state: :started} = info -> {:ok, info}
      %{state: state} -> {:error, {state, id}}
      nil -> {:error, {:not_loaded, id}}
    end
  end

  @impl true
  def ids(%{id: id}), do: [id]

  @impl true
  def prepare(%{id: id, code: code, beside: beside}, instance) do
    with {:ok, info} <- running(id, instance),
         {:ok, [old]} <- way_back(info.module, instance),
         {:ok, shipped} <- Code.install(beside, instance) do
      undo = %{change: __MODULE__, shipped: shipped, id: id, old: old, new: code, config: info.config}
      {:ok, undo, beside(id, instance)}
    end
  end

  # The modules shipped with the plugin before stay.
  defp beside(id, instance) do
    with {%{code: [_own | beside]}, _here} <- Table.get(instance, id), do: beside, else: (_ -> [])
  end

  defp way_back(module, instance) do
    with {:error, error} <- Code.read([module], Load.known(instance)) do
      {:error, %{error | reason: {:no_way_back, module}, detail: nil}}
    end
  end

  @impl true
  def perform(%{id: id, code: code, opts: opts}, instance, undo) do
    opts = [instance: instance] ++ Code.rollback(undo.old, code) ++ opts

    with {:ok, target} <- Code.to_upgrade(code, instance),
         {:ok, version} <- Manager.upgrade_plugin(id, target, opts) do
      {:ok, %{undo | shipped: shipped(undo.shipped, code)}, version}
    else
      {:error, reason} -> {:error, reason, undo}
    end
  end

  # When the plugin is unloaded one day, a node has again what is in its files.
  defp shipped(shipped, code), do: if(Code.in_file?(code), do: shipped, else: [code.module | shipped])

  @impl true
  def entries(%{id: id, code: code, config: config, beside: beside}, found, _results, clocks) do
    beside = Enum.uniq_by(beside ++ Enum.concat(found), & &1.module)

    [
      %Entry{
        id: id,
        clock: Entry.next(Map.get(clocks, id, [])),
        state: :loaded,
        module: code.module,
        config: config,
        upgraded?: true,
        code: [code | Enum.reject(beside, &(&1.module == code.module))]
      }
    ]
  end

  @impl true
  def undo(%{id: id, old: old, config: config, shipped: shipped} = undo, instance) do
    with {:ok, info} <- Manager.plugin_info(id, instance: instance),
         false <- info.module == old.module and Code.runs?(old) and info.state == :started,
         {:error, _} <- back(undo, instance),
         {:error, reason} <- anew(id, old, config, instance) do
      Logger.error(
        "an upgrade of plugin #{inspect(id)} failed and cannot be taken back here: #{Pipeline.Foreign.term(reason)}"
      )
    end

    Code.remove(List.delete(shipped, old.module))
  end

  # With its state, if code_change/3 of the old version takes it.
  defp back(%{id: id, old: old, new: new, config: config}, instance) do
    with {:ok, target} <- Code.to_upgrade(old, instance),
         do:
           Manager.upgrade_plugin(id, target, [config: config, instance: instance] ++ Code.rollback(new, old))
  end

  defp anew(id, old, config, instance) do
    # A failed plugin has no process; its dependents are held meanwhile.
    _ = Manager.disable_plugin(id, instance: instance, reason: :upgrade_failed)

    with :ok <- Manager.unload_plugin(id, instance: instance),
         _ = Code.remove([old.module]),
         {:ok, _shipped} <- Code.install([old], instance) do
      Manager.load_plugin(old.module, config, instance: instance)
    end
  end
end
