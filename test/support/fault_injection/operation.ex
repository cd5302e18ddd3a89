defmodule Pipeline.FaultInjection.Operation do
  @moduledoc "Does to an instance what the model says the outcome of."

  alias Pipeline.FaultInjection.{Kill, Model, Plugins}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.{Error, Manager}

  @type versions :: %{{Plugins.id(), non_neg_integer} => Plugins.target()}

  @spec perform(Model.operation(), Model.t(), versions, atom) :: Model.answer()
  def perform(operation, model, versions, instance) do
    operation |> do_perform(model, versions, instance: instance) |> kind()
  end

  @doc "Has the code of the one that is upgraded in place as it was first, and no other version of it."
  @spec reset(versions) :: :ok
  def reset(versions) do
    for {{_id, 0}, {module, binary}} <- versions do
      replace(module, binary)
      true = :code.soft_purge(module)
    end

    :ok
  end

  defp do_perform({:load, id}, model, versions, opts) do
    case versions[{id, 0}] do
      {module, binary} ->
        # As it was first, unless it runs.
        unless is_map_key(model, id), do: replace(module, binary)
        Manager.load_plugin(module, %{n: 0}, opts)

      module ->
        Manager.load_plugin(module, %{n: 0}, opts)
    end
  end

  defp do_perform({:unload, id}, _model, _versions, opts), do: Manager.unload_plugin(id, opts)

  defp do_perform({:cascade, id}, _model, _versions, opts),
    do: Manager.unload_plugin(id, [cascade: true] ++ opts)

  defp do_perform({:disable, id}, _model, _versions, opts), do: Manager.disable_plugin(id, opts)
  defp do_perform({:hold, id}, _model, _versions, opts), do: Manager.hold_plugin(id, opts)
  defp do_perform({:enable, id}, _model, _versions, opts), do: Manager.enable_plugin(id, opts)
  defp do_perform({:restart, id}, _model, _versions, opts), do: Manager.restart_plugin(id, opts)
  defp do_perform({:configure, id, n}, _model, _versions, opts), do: Manager.update_config(id, %{n: n}, opts)

  defp do_perform({:upgrade, id}, model, versions, opts) do
    number = with({_, number, _} <- model[id], do: number) || 0

    case versions[{id, rem(number + 1, Plugins.versions())}] do
      {module, binary} ->
        {^module, runs} = versions[{id, number}]
        Manager.upgrade_plugin(id, binary, [rollback: {~c"in memory", runs}] ++ opts)

      module ->
        Manager.upgrade_plugin(id, module, opts)
    end
  end

  # By crashes, until the manager gives it up.
  defp do_perform({:fail, id} = operation, model, versions, [instance: instance] = opts) do
    case Manager.plugin_info(id, opts) do
      {:ok, %{state: :started}} ->
        Kill.kill({:plugin, id}, instance)
        do_perform(operation, model, versions, opts)

      _ ->
        :ok
    end
  end

  # As if its back-off were over.
  defp do_perform({:retry, id}, _model, _versions, instance: instance) do
    manager = Names.whereis(instance, :manager)

    with %{^id => %{timer: timer}} when timer != nil <- :sys.get_state(manager).retries do
      send(manager, {:timeout, timer, {:retry, id}})
      # It has come to it.
      :sys.get_state(manager)
    end

    :ok
  end

  defp replace(module, binary) do
    if module.module_info(:md5) != :code.module_md5(binary) do
      true = :code.soft_purge(module)
      {:module, ^module} = :code.load_binary(module, ~c"in memory", binary)
    end
  end

  defp kind({:error, %Error{step: :resolve}}), do: {:error, :resolve}
  defp kind({:error, %Error{reason: reason}}), do: kind({:error, reason})
  defp kind({:error, reason}) when is_tuple(reason), do: {:error, elem(reason, 0)}
  defp kind({:error, reason}) when is_atom(reason), do: {:error, reason}
  defp kind({:error, _exception}), do: {:error, :other}
  defp kind(answer), do: answer
end
