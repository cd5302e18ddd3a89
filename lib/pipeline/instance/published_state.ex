defmodule Pipeline.Instance.PublishedState do
  @moduledoc false
  # Owns the state that an instance publishes (`Pipeline.Instance.Published`), from the start of the instance to its end.
  # The state outlives a restart of this process.

  use GenServer

  alias Pipeline.Instance.{Names, Published}

  @typedoc "One start of an instance, which knows whether its state has been published."
  @opaque incarnation :: :atomics.atomics_ref()

  @doc "A new start of an instance."
  @spec incarnation() :: incarnation
  def incarnation, do: :atomics.new(1, [])

  @doc """
  Starts the owner.

  It tells by the incarnation whether it was restarted, or finds what a killed instance of the name left behind.
  """
  @spec start_link({atom, incarnation, Published.modules()}) :: GenServer.on_start()
  def start_link({instance, _incarnation, _published} = argument) do
    GenServer.start_link(__MODULE__, argument, name: Names.via(instance, :published_state))
  end

  @doc "Whether the plugins of the instance's configuration have been loaded once, with or without success."
  @spec configured?(atom) :: boolean
  def configured?(instance), do: GenServer.call(Names.via(instance, :published_state), :configured?)

  @spec configured(atom) :: :ok
  def configured(instance), do: GenServer.call(Names.via(instance, :published_state), :configured)

  @impl GenServer
  def init({instance, incarnation, published}) do
    # A shutdown must reach terminate/2.
    Process.flag(:trap_exit, true)
    again? = :atomics.get(incarnation, 1) == 1

    :ok = if again?, do: Published.reopen(instance, published), else: Published.open(instance, published)
    :atomics.put(incarnation, 1, 1)
    {:ok, %{instance: instance, published: published, configured?: again?}}
  end

  @impl GenServer
  def handle_call(:configured?, _from, state), do: {:reply, state.configured?, state}
  def handle_call(:configured, _from, state), do: {:reply, :ok, %{state | configured?: true}}

  @impl GenServer
  def handle_info(_message, state), do: {:noreply, state}

  @impl GenServer
  def terminate(reason, %{instance: instance, published: published})
      when reason in [:normal, :shutdown] or elem(reason, 0) == :shutdown,
      do: Published.close(instance, published)

  def terminate(_crash, _state), do: :ok
end
