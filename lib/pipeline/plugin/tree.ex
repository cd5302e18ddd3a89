defmodule Pipeline.Plugin.Tree do
  @moduledoc false
  # The supervision tree of one plugin: what its children/1 lists, in that order, and last its process.
  #
  # `rest_for_one`, since each child may use those before it, and the process uses all of them: a crash restarts the child
  # and what comes after it. A tree that has restarted too often ends. The manager notices, and no other plugin does.
  #
  # It starts empty, so that the supervisor of all plugins waits for no code of a plugin; whoever starts the plugin then
  # waits for the tree alone.
  #
  # Supervisors report the arguments of what they start. So the configuration is in a function here.

  use Supervisor

  alias Pipeline.Instance.{Caller, Names}

  alias Pipeline.Plugin.{
    Log,
    LogFilter,
    Packages,
    Registry,
    Restart,
    Shutdown,
    StartPhase,
    Termination,
    Wave,
    Wrapper
  }

  alias Pipeline.Plugin.Resources.Limits
  alias Pipeline.Secrets

  require Caller

  # Milliseconds that the children of a plugin may take together to end, after its process.
  @patience 5_000

  @enforce_keys [:instance, :id, :module, :config, :secrets, :limits, :restart, :timeout, :phase]
  defstruct [:instance, :id, :module, :config, :secrets, :limits, :restart, :timeout, :phase]

  @typedoc """
  What the processes of a plugin are started with. Once the plugin is registered with this `phase`, the registry says
  what its module, configuration and limits are.
  """
  @type t :: %__MODULE__{
          instance: atom,
          id: Pipeline.Plugin.plugin_id(),
          module: module,
          config: (() -> Pipeline.Plugin.config()),
          secrets: Secrets.t() | nil,
          limits: Limits.t(),
          restart: Restart.t(),
          # Milliseconds that init/1 may take, at each start.
          timeout: timeout,
          phase: StartPhase.t()
        }

  @type error :: {:error, {:application | :children | :init, reason :: term}}

  @doc "The tree of a plugin as the registry has it, or is to have it."
  @spec new(map, atom, timeout) :: t
  def new(%{config: config} = info, instance, timeout) do
    fields = Map.take(info, [:id, :module, :limits, :restart, :phase])
    gets = %{instance: instance, config: fn -> config end, secrets: info[:secrets], timeout: timeout}
    struct!(__MODULE__, Map.merge(fields, gets))
  end

  @doc "Starts a tree with all that is in it, or leaves nothing of it. Returns the plugin's process."
  @spec start(t) :: {:ok, pid} | error
  def start(%__MODULE__{} = tree) do
    with {:ok, supervisor} <- open(tree) do
      [outcome] = Wave.run([tree], :init, tree.timeout, &fill(&1, supervisor))
      if match?({:error, _}, outcome), do: stop(tree.instance, tree.id)
      outcome
    end
  end

  @doc "Starts an empty tree."
  @spec open(t) :: {:ok, pid} | error
  def open(%__MODULE__{instance: instance, id: id} = tree) do
    await_orphans(instance, id)

    child = %{
      id: id,
      start: {__MODULE__, :start_link, [tree]},
      type: :supervisor,
      restart: :temporary,
      shutdown: Shutdown.declared(tree.module) + @patience
    }

    with {:error, {:init, {:already_started, pid}}} = error <-
           start_child(Names.via(instance, :plugins), :init, child) do
      # The supervisor may not know yet that the tree before has ended.
      if Process.alive?(pid), do: error, else: open(tree)
    end
  end

  @doc "Starts the plugin's children and its process. Returns the process once its init/1 has returned."
  @spec fill(t, pid) :: {:ok, pid} | error
  def fill(%__MODULE__{} = tree, supervisor) do
    with :ok <- start_application(tree, supervisor),
         {:ok, children} <- list_children(tree),
         :ok <- start_children(children, tree, supervisor) do
      start_child(supervisor, :init, process(tree))
    else
      {:error, {step, reason}} -> {:error, {step, Secrets.conceal_reason(reason, tree.secrets)}}
    end
  end

  # The one of the package that the plugin is from, if it is from one.
  defp start_application(%__MODULE__{module: module}, supervisor) do
    with {:error, reason} <- Packages.implementation().start(module, supervisor),
         do: {:error, {:application, reason}}
  end

  defp list_children(tree) do
    {:ok, children(tree)}
  rescue
    error -> {:error, {:children, {error, __STACKTRACE__}}}
  catch
    kind, reason -> {:error, {:children, {kind, reason}}}
  end

  defp start_children(children, tree, supervisor) do
    Enum.find_value(children, :ok, fn %{id: id} = child ->
      child = %{child | start: {__MODULE__, :start_again, [tree, id]}}

      with {:error, {step, reason}} <- start_after_orphan(supervisor, child),
           do: {:error, {step, {id, Secrets.conceal_reason(reason, tree.secrets)}}},
           else: (_ -> nil)
    end)
  end

  # A child of a tree that was killed ends some time after it, and has its name until then.
  defp start_after_orphan(supervisor, child) do
    with {:error, {:children, {:already_started, pid}}} = error when is_pid(pid) <-
           start_child(supervisor, :children, child) do
      if orphan?(pid) or not Process.alive?(pid) do
        Termination.await([pid])
        start_after_orphan(supervisor, child)
      else
        error
      end
    end
  end

  defp start_child(supervisor, step, child) do
    case Supervisor.start_child(supervisor, child) do
      {:ok, pid} -> {:ok, pid}
      {:ok, pid, _info} -> {:ok, pid}
      {:error, {reason, spec}} when elem(spec, 0) == :child -> {:error, {step, unwrap(reason)}}
      {:error, reason} -> {:error, {step, reason}}
    end
  catch
    :exit, {reason, _call} -> {:error, {step, reason}}
  end

  # So that nothing logs it as a crash.
  defp unwrap({:shutdown, reason}), do: reason
  defp unwrap(reason), do: reason

  defp process(%__MODULE__{module: module} = tree) do
    %{
      id: Wrapper,
      start: {Wrapper, :start_link, [tree]},
      shutdown: Shutdown.declared(module),
      modules: [Wrapper, module]
    }
  end

  @doc false
  # A child as the plugin lists it now. A version that it was upgraded to may not list it.
  @spec start_again(t, term) :: Supervisor.on_start_child()
  def start_again(%__MODULE__{} = tree, id) do
    case tree |> children() |> Enum.find(&(&1.id == id)) do
      %{start: {module, function, arguments}} ->
        with {:error, reason} <- apply(module, function, arguments), do: {:error, concealed(reason, tree)}

      nil ->
        :ignore
    end
  catch
    # As the supervisor would have it, but for the arguments, which its report shows.
    :error, reason -> {:error, concealed({:EXIT, {reason, __STACKTRACE__}}, tree)}
    :exit, reason -> {:error, concealed({:EXIT, reason}, tree)}
  end

  defp concealed(reason, tree) do
    Secrets.conceal_reason(reason, Secrets.merge(tree.secrets, now(tree).secrets))
  end

  defp now(tree), do: current(tree, Registry.info(Registry.owned(tree.instance), tree.id))

  defp children(tree) do
    %{module: module, config: config} = now(tree)

    if function_exported?(module, :children, 1),
      do: Caller.within(tree.instance, do: Enum.map(module.children(config), &Supervisor.child_spec(&1, []))),
      else: []
  end

  @doc "As what the plugin starts, by what the registry has of it."
  @spec current(t, map | nil) :: %{
          module: module,
          config: Pipeline.Plugin.config(),
          secrets: Secrets.t() | nil,
          limits: Limits.t()
        }
  def current(%__MODULE__{phase: phase}, %{phase: phase} = info),
    do: %{module: info.module, config: info.config, secrets: info[:secrets], limits: info.limits}

  def current(%__MODULE__{} = tree, _info),
    do: %{module: tree.module, config: tree.config.(), secrets: tree.secrets, limits: tree.limits}

  @spec start_link(t) :: Supervisor.on_start()
  def start_link(%__MODULE__{instance: instance, id: id, module: module} = tree) do
    value = {tree.phase, Shutdown.declared(module)}
    Supervisor.start_link(__MODULE__, tree, name: Names.via(instance, {:tree, id}, value))
  end

  @impl Supervisor
  def init(%__MODULE__{instance: instance, id: id} = tree) do
    # For the children of the plugin.
    Caller.enter(instance)
    :ok = Names.label(instance, {:tree, id})
    :ok = LogFilter.note(instance, id, tree.secrets)
    Supervisor.init([], [strategy: :rest_for_one] ++ Restart.supervisor_options(tree.restart))
  end

  @doc "The tree of a plugin, which may be about to end. One whose supervisor has ended is none."
  @spec find(atom, Pipeline.Plugin.plugin_id()) :: {pid, StartPhase.t()} | nil
  def find(instance, id) do
    with {pid, {phase, _shutdown}} <- Names.lookup(instance, {:tree, id}),
         do: if(orphan?(pid) or not Process.alive?(pid), do: nil, else: {pid, phase})
  end

  @doc "The plugins that have a tree."
  @spec ids(atom) :: [Pipeline.Plugin.plugin_id()]
  def ids(instance) do
    for {id, _pid, _type, _modules} <- Supervisor.which_children(Names.via(instance, :plugins)), do: id
  end

  @doc "Ends a tree: the plugin's process after its stop/1, then its children."
  @spec stop(atom, Pipeline.Plugin.plugin_id()) :: :ok
  def stop(instance, id) do
    with {pid, {_phase, shutdown}} <- Names.lookup(instance, {:tree, id}) do
      within = Termination.started_by(pid)
      process = Names.whereis(instance, {:plugin, id})
      monitor = process && Process.monitor(process)

      try do
        Supervisor.stop(pid, :shutdown, shutdown + @patience)
      catch
        # It waits for the start of a child, or has ended by itself.
        :exit, _reason -> Process.exit(pid, :kill)
      end

      Termination.await([pid | within])
      if monitor, do: tell_if_killed(monitor, id, instance, shutdown)
      Packages.implementation().release(pid)
    end

    :ok
  end

  # By its supervisor: that has ended before.
  defp tell_if_killed(monitor, id, instance, shutdown) do
    receive do
      {:DOWN, ^monitor, :process, _pid, :killed} ->
        Log.warning(
          id,
          instance,
          "did not stop within #{shutdown} ms and was killed: shorten its stop/1, or give it a longer shutdown:"
        )

      {:DOWN, ^monitor, :process, _pid, _reason} ->
        :ok
    end
  end

  # A tree ends when its supervisor is killed, and the process when its tree is, some time after.
  defp await_orphans(instance, id) do
    for role <- [{:tree, id}, {:plugin, id}],
        pid = Names.whereis(instance, role),
        orphan?(pid),
        do: Termination.await(Termination.started_by(pid) ++ [pid])
  end

  defp orphan?(pid) do
    with {:dictionary, dictionary} <- Process.info(pid, :dictionary),
         [parent | _] when is_pid(parent) <- dictionary[:"$ancestors"] do
      not Process.alive?(parent)
    else
      _ -> false
    end
  end
end
