defmodule Pipeline.Events.Subscriptions do
  @moduledoc false
  # Who has subscribed to which event of which instance.

  @spec child_spec(term) :: Supervisor.child_spec()
  def child_spec(_opts) do
    Registry.child_spec(keys: :duplicate, name: __MODULE__, partitions: System.schedulers_online())
  end

  @spec add(atom, term) :: :ok
  def add(instance, event) do
    key = {instance, event}

    # Keys are duplicate across processes, and a process may register twice too.
    unless key in Registry.keys(__MODULE__, self()), do: {:ok, _} = Registry.register(__MODULE__, key, nil)
    :ok
  end

  @spec remove(atom, term) :: :ok
  def remove(instance, event), do: Registry.unregister(__MODULE__, {instance, event})

  @spec dispatch(atom, term, term) :: :ok
  def dispatch(instance, event, message) do
    Registry.dispatch(__MODULE__, {instance, event}, fn subscribers ->
      for {pid, _} <- subscribers, do: send(pid, message)
    end)
  end
end
