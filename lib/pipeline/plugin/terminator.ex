defmodule Pipeline.Plugin.Terminator do
  @moduledoc false
  # Stops the plugins of an instance that ends, dependents first, those that need none of each other at the same time. Their
  # supervisor would end them in the reverse order of their starts, and one that was restarted started late.
  #
  # It stands directly after that supervisor, so it ends before it, and only when that is about to end too.

  use GenServer, shutdown: :infinity

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.{Loader, Registry, Tree}

  @spec start_link(instance: term) :: GenServer.on_start()
  def start_link(instance: instance),
    do: GenServer.start_link(__MODULE__, instance, name: Names.via(instance, :terminator))

  @impl GenServer
  def init(instance) do
    :ok = Names.label(instance, :terminator)
    # So that terminate/2 is called.
    Process.flag(:trap_exit, true)
    {:ok, instance}
  end

  @impl GenServer
  def handle_info(_message, instance), do: {:noreply, instance}

  @impl GenServer
  def terminate(:shutdown, instance),
    do: instance |> ids() |> waves(instance) |> Enum.each(&stop(&1, instance))

  def terminate(_crash, _instance), do: :ok

  defp ids(instance) do
    Tree.ids(instance)
  catch
    # Their supervisor was killed, and all of them with it.
    :exit, _reason -> []
  end

  defp waves([], _instance), do: []

  defp waves(ids, instance) do
    registry = Registry.owned(instance)
    infos = for id <- ids, info = Registry.info(registry, id), do: info

    case Loader.unload_order(infos) do
      {:ok, waves} -> [ids -- List.flatten(waves) | waves]
      {:error, _error} -> [ids]
    end
  end

  defp stop([], _instance), do: :ok
  defp stop([id], instance), do: Tree.stop(instance, id)

  defp stop(ids, instance) do
    ids
    |> Task.async_stream(&Tree.stop(instance, &1), max_concurrency: length(ids), timeout: :infinity)
    |> Stream.run()
  end
end
