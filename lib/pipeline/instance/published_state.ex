defmodule Pipeline.Instance.PublishedState do
  @moduledoc false
  # Owns the state that an instance publishes (`Pipeline.Instance.Published`), from the start of the instance to its end.
  # The state outlives a restart of this process.

  use GenServer

  alias Pipeline.Instance.Names

  @typedoc "Modules that implement `Pipeline.Instance.Published`, each with its argument."
  @type published :: [{module, term}]

  @doc """
  Starts the owner.

  The incarnation is a reference made by the start of the instance: the owner tells by it whether it was restarted, or
  finds what a killed instance of the name left behind.
  """
  @spec start_link({atom, reference, published}) :: GenServer.on_start()
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
    again? = :persistent_term.get({__MODULE__, instance}, nil) == incarnation

    for {module, argument} <- published do
      if again?, do: reopen(module, instance, argument), else: :ok = module.open(instance, argument)
    end

    :persistent_term.put({__MODULE__, instance}, incarnation)
    {:ok, %{instance: instance, published: published, configured?: again?}}
  end

  defp reopen(module, instance, argument) do
    if function_exported?(module, :reopen, 2), do: module.reopen(instance, argument)
  end

  @impl GenServer
  def handle_call(:configured?, _from, state), do: {:reply, state.configured?, state}
  def handle_call(:configured, _from, state), do: {:reply, :ok, %{state | configured?: true}}

  @impl GenServer
  def handle_info(_message, state), do: {:noreply, state}

  @impl GenServer
  def terminate(reason, %{instance: instance, published: published})
      when reason in [:normal, :shutdown] or elem(reason, 0) == :shutdown do
    for {module, _argument} <- Enum.reverse(published), do: module.close(instance)
    :persistent_term.erase({__MODULE__, instance})
    :ok
  end

  def terminate(_crash, _state), do: :ok
end
