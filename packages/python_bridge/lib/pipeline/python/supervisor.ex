defmodule Pipeline.Python.Supervisor do
  @moduledoc false
  # A pool with its workers. One for all: the pool knows what runs in which worker, and a worker answers to its pool.

  use Supervisor

  alias Pipeline.Python.{Names, Pool}

  @doc "Starts a pool under a name, any term."
  @spec start_link({name :: term, settings :: map}) :: Supervisor.on_start()
  def start_link({name, settings}) do
    Supervisor.start_link(__MODULE__, {name, settings})
  end

  @spec child_spec({term, map}) :: Supervisor.child_spec()
  def child_spec(arg) do
    %{id: __MODULE__, start: {__MODULE__, :start_link, [arg]}, type: :supervisor}
  end

  @doc "The pool of this name."
  @spec whereis(term) :: pid | nil
  def whereis(name) do
    case Registry.lookup(Names, {:pool, name}) do
      [{pid, _value}] -> pid
      [] -> nil
    end
  end

  @impl Supervisor
  def init({name, settings}) do
    workers = {:via, Registry, {Names, {:workers, name}}}

    children = [
      {DynamicSupervisor, name: workers, strategy: :one_for_one},
      # Calls find it by its name, or by this supervisor, and learn the limit of their arguments.
      {Pool, {settings, workers, [{:pool, name}, {:pool, self()}]}}
    ]

    Supervisor.init(children, strategy: :one_for_all)
  end
end
