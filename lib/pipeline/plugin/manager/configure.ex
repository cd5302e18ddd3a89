defmodule Pipeline.Plugin.Manager.Configure do
  @moduledoc false
  # Gives a plugin that runs another configuration.

  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Config, Events}
  alias Pipeline.Plugin.Manager.{Failure, Hooks, Operation, State, Stored}

  @spec operation(Plugin.plugin_id(), Config.Update.asked(), caller :: pid) :: Operation.t()
  def operation(id, update, caller) do
    fn _state ->
      {{[id], []}, &begin(&1, id, update, caller)}
    end
  end

  defp begin(state, id, update, caller) do
    with :ok <- check_loaded(id, state), :ok <- Failure.check_caller(caller, id, state) do
      {:run, &{run(&1, id, update), []}, state}
    else
      error -> {:done, {error, []}, state}
    end
  end

  defp check_loaded(id, state) do
    if is_map_key(state.plugins, id), do: :ok, else: {:error, {:not_loaded, id}}
  end

  defp run(%{instance: instance} = context, id, update) do
    with {:ok, info, native} <- Config.Update.run(id, update, instance, &Hooks.native/2) do
      # The plugin's process has written it.
      :ok =
        Operation.step(context, fn state ->
          changes = Hooks.reconfigure([{info, native}], instance)
          {:ok, state |> State.put(info) |> State.publish(changes) |> Stored.changed(id, :config)}
        end)

      Events.emit(:plugin_config_updated, %{id: id}, instance: instance)
      :ok
    end
  end
end
