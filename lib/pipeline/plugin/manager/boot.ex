defmodule Pipeline.Plugin.Manager.Boot do
  @moduledoc false
  # Loads the plugins that an instance is configured with. One that cannot be loaded stops neither the boot nor the others:
  # it is kept, held for what it needs or failed.

  alias Pipeline.Instance.PublishedState
  alias Pipeline.Plugin.{Error, Log}
  alias Pipeline.Plugin.Manager.{BootPending, Candidate, Hold, Load, Operation, State, Stored}

  # Milliseconds for init/1 and start/1 each.
  @timeout 30_000

  @spec operation([{module, term}]) :: Operation.t()
  def operation(plugins) do
    fn _state ->
      {{[], []}, &{:run, preparing(plugins), &1}}
    end
  end

  # Only then it is known which they are.
  defp preparing(plugins) do
    fn context ->
      {store, folder} = Operation.step(context, &{{&1.store, &1.packages}, &1})
      {plugins, lost} = plugins |> Enum.map(&with_config/1) |> Stored.restore(store, folder)
      for error <- lost, do: Log.failed(error, context.instance, "a plugin of the store: ")
      {good, wrong} = Enum.reduce(plugins, {[], []}, &prepare/2)

      for error <- Enum.reverse(wrong) do
        Log.failed(error, context.instance)

        Operation.step(context, fn state ->
          {BootPending.missing(context.instance, error.module, error), State.refused(state, error.module)}
        end)
      end

      lost = for error <- lost, do: error.plugin
      {:ok, [loading(Enum.reverse(good), lost)]}
    end
  end

  # It can be in a function, which keeps it out of reports.
  defp with_config({module, config}), do: {module, if(is_function(config, 0), do: config.(), else: config)}

  defp prepare(plugin, {good, wrong}) do
    with {:ok, [candidate]} <- Candidate.prepare([plugin]),
         :ok <- Candidate.check_new([candidate | good], %{}) do
      {[candidate | good], wrong}
    else
      {:error, error} -> {good, [error | wrong]}
    end
  end

  defp loading(candidates, lost) do
    fn state ->
      {Load.locks(candidates, state), &begin(&1, candidates, lost)}
    end
  end

  defp begin(state, candidates, lost) do
    # A manager before this one may have come so far.
    new = Enum.reject(candidates, &is_map_key(state.plugins, &1.manifest.id))
    :ok = Load.announce(new, state.instance)
    {disabled, wanted} = Enum.split_with(new, &State.disabled?(state, &1.manifest.id))
    state = Enum.reduce(disabled, state, &Hold.keep(&2, &1, :stopped, :disabled))
    {:run, &load(&1, wanted, lost), state}
  end

  defp load(context, candidates, lost) do
    # All at once; when that fails, those that can be are loaded one by one.
    with {:error, _error} <- load_some(context, candidates), do: load_alone(context, candidates)
    :ok = Operation.step(context, &{:ok, State.restored(&1, lost)})
    :ok = PublishedState.configured(context.instance)
    {:ok, []}
  end

  defp load_some(context, candidates) do
    with {:ok, resolved} <- Operation.step(context, &{Load.resolve(&1, candidates), &1}),
         do: Load.run(context, resolved, @timeout)
  end

  # A plugin can come before one that it needs, so those that wait are tried again as long as one of them loads.
  defp load_alone(context, candidates) do
    left =
      Enum.flat_map(candidates, fn candidate ->
        case load_some(context, [candidate]) do
          {:ok, _ids} ->
            []

          {:error, %Error{step: :resolve} = error} ->
            [{candidate, error}]

          {:error, error} ->
            keep(context, candidate, error)
            []
        end
      end)

    if left == [] or length(left) == length(candidates),
      do: Enum.each(left, fn {candidate, error} -> keep(context, candidate, error) end),
      else: load_alone(context, Enum.map(left, &elem(&1, 0)))
  end

  defp keep(context, candidate, error) do
    waits? = error.step == :resolve
    reason = if waits?, do: {:needs, error.reason}, else: error.reason
    to = if waits?, do: :held, else: :failed
    :ok = Operation.step(context, &{:ok, Hold.keep(&1, candidate, to, reason)})
    Log.failed(error, context.instance)
  end
end
