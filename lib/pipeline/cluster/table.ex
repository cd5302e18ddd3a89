defmodule Pipeline.Cluster.Table do
  @moduledoc false
  # The table of an instance in a cluster. Its process only owns it, so that processes that work with the table may crash.
  #
  #   * `{id, entry, here}` - the state of a plugin on all nodes, and its state on this one
  #   * `{{:undo, :change}, undo}` - how to take back the change that is under way

  use GenServer

  alias Pipeline.Plugin
  alias Pipeline.Plugin.Distribution
  alias Pipeline.Plugin.Distribution.Local
  alias Pipeline.Cluster.{Code, Entry, Options}
  alias Pipeline.Instance.Names

  @typedoc """
  On this node: the clock of the entry that was carried out last, the code and the configuration of its plugin, the modules
  that were shipped for it, and why the present one could not be.
  """
  @type here :: %{
          applied: Entry.clock() | :taken_back | nil,
          code: Code.t() | nil,
          config: Plugin.config() | nil,
          shipped: [module],
          failed: term
        }

  @type settings :: %{options: Options.t(), table: :ets.table(), dropped: :counters.counters_ref()}

  @nothing %{applied: nil, code: nil, config: nil, shipped: [], failed: nil}

  @spec start_link({atom, Options.t()}) :: GenServer.on_start()
  def start_link({instance, _options} = arg) do
    GenServer.start_link(__MODULE__, arg, name: Names.via(instance, :cluster_table))
  end

  @doc "The settings of an instance, `nil` if it is in no cluster."
  @spec settings(atom) :: settings | nil
  def settings(instance) do
    # A killed instance of the name may have left its own.
    if Distribution.of(instance) != Local, do: :persistent_term.get({__MODULE__, instance}, nil)
  end

  @doc "Forgets the settings of an instance that has ended."
  @spec forget(atom) :: :ok
  def forget(instance) do
    :persistent_term.erase({__MODULE__, instance})
    :ok
  end

  @doc "All entries, each with what has become of it here."
  @spec all(atom) :: [{Entry.t(), here}]
  def all(instance) do
    for {_id, %Entry{} = entry, here} <- :ets.tab2list(table(instance)), do: {entry, here}
  end

  @spec get(atom, Plugin.plugin_id()) :: {Entry.t() | nil, here}
  def get(instance, id) do
    case :ets.lookup(table(instance), id) do
      [{_id, entry, here}] -> {entry, here}
      [] -> {nil, @nothing}
    end
  end

  @spec clock(atom, Plugin.plugin_id()) :: Entry.clock() | nil
  def clock(instance, id) do
    with {%Entry{clock: clock}, _here} <- get(instance, id), do: clock, else: (_ -> nil)
  end

  @spec put(atom, Entry.t(), here) :: :ok
  def put(instance, %Entry{id: id} = entry, here) do
    :ets.insert(table(instance), {id, entry, here})
    :ok
  end

  @doc "Takes an entry in if it is newer than what there is."
  @spec merge(atom, Entry.t()) :: boolean
  def merge(instance, %Entry{id: id, clock: clock} = entry) do
    {known, here} = get(instance, id)
    newer? = Entry.newer?(clock, known && known.clock)
    if newer?, do: put(instance, entry, %{here | failed: nil})
    newer?
  end

  @doc "The clock of each plugin."
  @spec digest(atom) :: %{Plugin.plugin_id() => Entry.clock()}
  def digest(instance), do: for({%{id: id, clock: clock}, _here} <- all(instance), into: %{}, do: {id, clock})

  @spec undo(atom) :: term | nil
  def undo(instance) do
    case :ets.lookup(table(instance), {:undo, :change}) do
      [{_, undo}] -> undo
      [] -> nil
    end
  end

  @spec put_undo(atom, term | nil) :: :ok
  def put_undo(instance, undo) do
    if undo,
      do: :ets.insert(table(instance), {{:undo, :change}, undo}),
      else: :ets.delete(table(instance), {:undo, :change})

    :ok
  end

  defp table(instance) do
    %{table: table} = settings(instance)
    table
  end

  @impl GenServer
  def init({instance, options}) do
    # So that a shutdown reaches terminate/2.
    Process.flag(:trap_exit, true)
    table = :ets.new(__MODULE__, [:public])

    :persistent_term.put({__MODULE__, instance}, %{
      options: options,
      table: table,
      dropped: :counters.new(1, [])
    })

    {:ok, instance}
  end

  @impl GenServer
  def handle_info(_message, instance), do: {:noreply, instance}

  # Its end would be that of the instance.
  @impl GenServer
  def handle_cast(_message, instance), do: {:noreply, instance}

  @impl GenServer
  def terminate(_reason, instance), do: forget(instance)
end
