defmodule Pipeline.Plugin.Manager.Health do
  @moduledoc false
  # How the plugins of an instance are. All are asked at once and share one deadline, so that those that hang cost no
  # more than the time box together.

  alias Pipeline.Plugin.Manager.Readiness
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.{Distribution, Registry}

  # States in which a plugin is not well. Others are passing, or as an operator wants them.
  @unwell [:failed, :held]

  @type status ::
          :healthy
          | {:unhealthy, reason :: term}
          | :no_answer
          | {:crashed, reason :: term}
          | {:not_running, atom}
  @type plugin :: %{status: status, details: term, state: atom}
  @type report :: %{
          required(:status) => :healthy | :unhealthy,
          required(:ready?) => boolean,
          required(:not_ready) => [Readiness.lacking()],
          required(:plugins) => %{Pipeline.Plugin.plugin_id() => plugin},
          optional(:cluster) => [Distribution.pending()]
        }

  @spec report(atom, timeout) :: report
  def report(instance, time_box) do
    infos = for %{state: _} = info <- Registry.list(Registry.owned(instance)), do: info
    asked = Enum.map(infos, &{&1, request(&1, instance)})
    deadline = if time_box != :infinity, do: now() + time_box
    plugins = Map.new(asked, fn {info, request} -> {info.id, plugin(info, answer(request, deadline))} end)
    lacking = Readiness.lacking(instance)
    pending = Distribution.of(instance).pending(instance)
    well? = pending in [nil, []] and Enum.all?(plugins, fn {_id, plugin} -> well?(plugin.status) end)

    report = %{
      status: if(well?, do: :healthy, else: :unhealthy),
      ready?: lacking == [],
      not_ready: lacking,
      plugins: plugins
    }

    if pending, do: Map.put(report, :cluster, pending), else: report
  end

  @doc "In the plugin's process: what its health/1 says."
  @spec ask(module, Pipeline.Plugin.state()) :: {status, details :: term}
  def ask(module, state) do
    if function_exported?(module, :health, 1) do
      case module.health(state) do
        :ok -> {:healthy, nil}
        {:ok, details} -> {:healthy, details}
        {:error, reason} -> {{:unhealthy, reason}, nil}
        other -> {{:unhealthy, {:bad_return, {module, :health, 1}, other}}, nil}
      end
    else
      {:healthy, nil}
    end
  rescue
    error -> {{:unhealthy, error}, nil}
  catch
    kind, reason -> {{:unhealthy, {kind, reason}}, nil}
  end

  defp request(%{state: :started, id: id}, instance) do
    me = self()

    case Names.whereis(instance, {:plugin, id}) do
      nil -> {:not_running, :restarting}
      # A plugin that asks how all are is busy with it, and cannot answer itself.
      ^me -> :healthy
      pid -> {:asked, :gen_server.send_request(pid, :health)}
    end
  end

  defp request(%{state: state}, _instance), do: {:not_running, state}

  defp answer({:asked, request}, deadline) do
    # Once the time is up, what has been answered is there.
    left = if deadline, do: max(deadline - now(), 0), else: :infinity

    case :gen_server.receive_response(request, left) do
      {:reply, answer} -> answer
      :timeout -> {:no_answer, nil}
      {:error, {reason, _server}} -> {{:crashed, reason}, nil}
    end
  end

  defp answer(status, _deadline), do: {status, nil}

  defp plugin(info, {status, details}), do: %{status: status, details: details, state: info.state}

  defp well?(:healthy), do: true
  defp well?({:not_running, state}), do: state not in [:restarting | @unwell]
  defp well?(_status), do: false

  defp now, do: System.monotonic_time(:millisecond)
end
