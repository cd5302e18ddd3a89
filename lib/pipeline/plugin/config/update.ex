defmodule Pipeline.Plugin.Config.Update do
  @moduledoc false
  # A new configuration for a running plugin. The manager asks the plugin's process, which takes or refuses
  # it.
  #
  # The manager, when it times out, and the plugin, when it answers, compete for one atomic: the first to
  # change it decides. A plugin that is too slow keeps its old configuration, so its state agrees with the
  # registry. The plugin writes the registry itself while the manager waits: if the manager is killed
  # meanwhile, they still agree.

  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Config, Registry}
  alias Pipeline.Instance.Names
  alias Pipeline.Secrets

  @open 0
  @taken 1
  @given_up 2

  # The configuration is in a function, so that a report of the process that has it in its mailbox does not show it.
  @enforce_keys [:config, :secrets, :decision, :asked_by]
  defstruct [:config, :secrets, :decision, :asked_by]

  @opaque t :: %__MODULE__{}

  @type error ::
          {:not_started, Plugin.plugin_id(), state :: atom}
          | {:no_update_config, Plugin.plugin_id()}
          | Config.error()
          | {:refused, term}
          | {:timeout, Plugin.plugin_id()}
          | {:crashed, Plugin.plugin_id(), term}
          | {:too_large, Plugin.plugin_id()}

  @typedoc "What is asked for. `merge?` keeps the fields of the present configuration that are not given."
  @type asked :: %{config: map, merge?: boolean, timeout: timeout}

  @doc """
  Updates a plugin and returns it as it is in the registry afterwards.

  `prepare` is called with the plugin and the new configuration before the plugin is asked, and can refuse. Its value is
  returned too.
  """
  @spec run(Plugin.plugin_id(), asked, atom, (map, map -> {:ok, prepared} | {:error, reason})) ::
          {:ok, map, prepared} | {:error, error | reason}
        when prepared: term, reason: term
  def run(id, %{config: config, merge?: merge?, timeout: timeout}, instance, prepare) do
    info = Registry.info(Registry.owned(instance), id)
    pid = Names.whereis(instance, {:plugin, id})

    with :ok <- check_running(info, pid),
         :ok <- check_callback(info),
         config = if(merge?, do: merge(info.config, config), else: config),
         {:ok, config, secrets} <- Config.check(info.module, config, timeout),
         {:ok, prepared} <- prepare(prepare, info, config, secrets),
         :ok <- ask(pid, id, config, secrets, timeout) do
      {:ok, Registry.info(Registry.owned(instance), id), prepared}
    end
  end

  defp check_running(%{state: :started}, pid) when is_pid(pid), do: :ok
  defp check_running(%{state: :started, id: id}, nil), do: {:error, {:not_started, id, :restarting}}
  defp check_running(%{state: state, id: id}, _pid), do: {:error, {:not_started, id, state}}

  defp check_callback(%{module: module, id: id}) do
    if function_exported?(module, :update_config, 2), do: :ok, else: {:error, {:no_update_config, id}}
  end

  # A sentence about the configuration of a native hook can have a value of the plugin's in it.
  defp prepare(prepare, info, config, secrets) do
    with {:error, reason} <- prepare.(info, config), do: {:error, Secrets.conceal(reason, secrets)}
  end

  # A string names the field of the same text, as in a schema.
  defp merge(old, given) do
    names = for {field, _} <- old, is_atom(field), into: %{}, do: {Atom.to_string(field), field}

    Enum.reduce(given, old, fn {key, value}, config ->
      field = if is_map_key(old, key), do: key, else: Map.get(names, key, key)

      case {config, value} do
        {%{^field => %{} = before}, %{}} when not is_struct(before) and not is_struct(value) ->
          %{config | field => merge(before, value)}

        _ ->
          Map.put(config, field, value)
      end
    end)
  end

  defp ask(pid, id, config, secrets, timeout) do
    update = %__MODULE__{
      config: fn -> config end,
      secrets: secrets,
      decision: :atomics.new(1, []),
      asked_by: self()
    }

    request = :gen_server.send_request(pid, {:update_config, update})

    case :gen_server.wait_response(request, timeout) do
      :timeout -> give_up(request, update, id)
      answer -> answer(answer, id)
    end
  end

  defp give_up(request, update, id) do
    case :atomics.compare_exchange(update.decision, 1, @open, @given_up) do
      :ok ->
        # Drops a late answer.
        _ = :gen_server.receive_response(request, 0)
        {:error, {:timeout, id}}

      @taken ->
        request |> :gen_server.receive_response(:infinity) |> answer(id)
    end
  end

  defp answer({:reply, answer}, _id), do: answer
  defp answer({:error, {reason, _server}}, id), do: {:error, {:crashed, id, reason}}

  @doc "The secrets of the new configuration."
  @spec secrets(t) :: Secrets.t() | nil
  def secrets(%__MODULE__{secrets: secrets}), do: secrets

  @doc """
  Called in the plugin's process. Returns the answer for the manager and the plugin's next state.
  """
  @spec take(t, module, Plugin.plugin_id(), atom, Plugin.state()) ::
          {:ok, answer :: :ok | {:error, term}, Plugin.state()} | {:bad_return, term}
  def take(%__MODULE__{} = update, module, id, instance, state) do
    # The request waited in the mailbox for too long.
    if :atomics.get(update.decision, 1) == @given_up or not Process.alive?(update.asked_by) do
      {:ok, {:error, {:timeout, id}}, state}
    else
      case module.update_config(update.config.(), state) do
        {:ok, new_state} -> decide(update, id, instance, state, new_state)
        {:error, reason} -> {:ok, {:error, {:refused, reason}}, state}
        other -> {:bad_return, other}
      end
    end
  end

  defp decide(update, id, instance, state, new_state) do
    registry = Registry.owned(instance)

    with true <- Process.alive?(update.asked_by),
         :ok <- :atomics.compare_exchange(update.decision, 1, @open, @taken),
         {:ok, _} <- Registry.replace(registry, info(update, registry, id)) do
      {:ok, :ok, new_state}
    else
      _ -> {:ok, {:error, {:timeout, id}}, state}
    end
  end

  defp info(update, registry, id) do
    Map.merge(Registry.info(registry, id), %{config: update.config.(), secrets: update.secrets})
  end
end
