defmodule Pipeline.Plugin.Manager.Start do
  @moduledoc false
  # Starts plugins that are known and do not run: because an operator wants them, because they wait for one that runs now,
  # or because it is time to try again.

  alias Pipeline.Native
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Error, Log, Registry}
  alias Pipeline.Plugin.Manager.{Candidate, Hold, Load, Locks, Operation, Retry, State}

  # Milliseconds for init/1 and start/1 each.
  @timeout 30_000

  @doc "For an operator. A plugin that is disabled and not loaded can be loaded then."
  @spec enable(Plugin.plugin_id()) :: Operation.t()
  def enable(id) do
    fn state ->
      {locks(id, state), &begin_enable(&1, id)}
    end
  end

  defp begin_enable(state, id) when not is_map_key(state.plugins, id) do
    with true <- State.disabled?(state, id), {:ok, state} <- State.note_disabled(state, id, :enabled) do
      {:done, {{:ok, :not_loaded}, []}, state}
    else
      false -> {:done, {{:error, {:not_loaded, id}}, []}, state}
      error -> {:done, {error, []}, state}
    end
  end

  defp begin_enable(state, id) do
    with :ok <- check_idle(id, state), {:ok, state} <- State.note_disabled(state, id, :enabled) do
      run(state, id, fn context, outcome ->
        case outcome do
          :ok -> Log.info(id, context.instance, "is enabled and runs") && {:ok, :started}
          {:unmet, error} -> hold(context, id, error) && {:ok, :held}
          {:error, error} -> {:error, error}
        end
      end)
    else
      error -> {:done, {error, []}, state}
    end
  end

  defp check_idle(id, state) do
    if state.plugins[id].state in Native.Lifecycle.idle(), do: :ok, else: {:error, {:already_started, id}}
  end

  @doc "For a plugin that is held, and whose needs are met."
  @spec release(Plugin.plugin_id()) :: Operation.t()
  def release(id) do
    fn state ->
      {locks(id, state), &begin_release(&1, id)}
    end
  end

  defp begin_release(state, id) do
    if is_map_key(state.plugins, id) and Hold.waits?(state.plugins[id]) do
      run(state, id, &released(&1, id, &2))
    else
      {:done, {:ok, []}, state}
    end
  end

  defp released(context, id, :ok), do: Log.info(id, context.instance, "was held, and runs again")
  defp released(_context, _id, {:unmet, _error}), do: :ok

  defp released(context, _id, {:error, error}),
    do: Log.failed(error, context.instance, "a plugin that was held cannot be started: ")

  @doc "For a plugin that has failed. One that cannot be started stays failed, and is tried again later."
  @spec retry(Plugin.plugin_id()) :: Operation.t()
  def retry(id) do
    fn state ->
      {locks(id, state), &begin_retry(&1, id)}
    end
  end

  defp begin_retry(state, id) do
    if match?(%{^id => %{state: :failed}}, state.plugins),
      do: run(state, id, &retried(&1, id, &2)),
      else: {:done, {:ok, []}, state}
  end

  defp retried(context, id, :ok), do: Log.info(id, context.instance, "had failed, and runs again")
  defp retried(context, id, {:unmet, error}), do: hold(context, id, error)

  defp retried(context, id, {:error, error}) do
    pause = Operation.step(context, &{Retry.pause(&1.retries, id), &1})

    Log.error(
      id,
      context.instance,
      "has failed and cannot be started again: #{Exception.message(error)}. " <>
        "It is tried again in #{pause} ms; disable_plugin/2 stops that"
    )
  end

  @spec locks(Plugin.plugin_id(), State.t()) :: Locks.wanted()
  defp locks(id, state) do
    case state.plugins do
      %{^id => info} -> Load.needs([info], state)
      _ -> {[id], []}
    end
  end

  defp run(state, id, then), do: {:run, task(state.plugins[id], then), state}

  defp task(info, then), do: &{then.(&1, start(&1, info)), []}

  # `{:unmet, error}` changes nothing; a plugin that cannot be started for another reason is failed.
  defp start(context, %{id: id} = info) do
    with {:ok, candidate} <- Candidate.again(info),
         {:ok, candidates} <- Operation.step(context, &{Load.resolve(&1, [candidate]), &1}),
         {:ok, _ids} <- Load.run(context, candidates, @timeout) do
      :ok
    else
      {:error, %Error{step: :resolve} = error} ->
        {:unmet, error}

      {:error, error} ->
        Operation.step(context, &{:ok, fail(&1, id, error)})
        {:error, error}
    end
  end

  # Where it was under way already, the registry has it so.
  defp fail(state, id, error) do
    case Registry.info(Registry.owned(state.instance), id) do
      %{state: :failed} = info -> State.put(state, info)
      _ -> State.enter(state, [id], :failed, error.reason)
    end
  end

  defp hold(context, id, error) do
    Log.failed(error, context.instance, "a plugin is held: ")
    Operation.step(context, &{:ok, State.enter(&1, [id], :held, {:needs, error.reason})})
  end
end
