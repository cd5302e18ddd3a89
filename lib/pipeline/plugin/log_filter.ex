defmodule Pipeline.Plugin.LogFilter do
  @moduledoc false
  # Takes the secrets of a plugin out of what its processes log: its own process, what `children/1` lists with their
  # descendants, and its supervisor. Those include crash reports of processes that know nothing of secrets.
  #
  # It is a primary filter of `:logger`, which runs in the process that logs. A process is a plugin's if the supervisor of
  # a plugin is among its ancestors; that supervisor has noted its secrets here.

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Registry, as: Plugins
  alias Pipeline.Secrets

  @spec install() :: :ok
  def install do
    # Left by an application that was killed.
    _ = remove()
    :logger.add_primary_filter(__MODULE__, {&__MODULE__.filter/2, []})
  end

  @spec remove() :: :ok | {:error, term}
  def remove, do: :logger.remove_primary_filter(__MODULE__)

  @doc "Called by the supervisor of a plugin: what its processes are not to log. It is forgotten when that ends."
  @spec note(atom, Pipeline.Plugin.plugin_id(), Secrets.t() | nil) :: :ok
  def note(_instance, _id, nil), do: :ok

  def note(instance, id, secrets) do
    {:ok, _} = Registry.register(Names, {__MODULE__, self()}, {instance, id, secrets})
    :ok
  end

  @doc false
  @spec filter(:logger.log_event(), []) :: :logger.filter_return()
  def filter(%{msg: msg, meta: meta} = event, []) do
    case secrets() do
      nil -> :ignore
      secrets -> %{event | msg: message(msg, secrets), meta: Secrets.conceal(meta, secrets)}
    end
  rescue
    # `:logger` removes a filter that fails.
    _ -> %{event | msg: {:string, "a log message of a plugin, left out: it cannot be searched for secrets"}}
  end

  defp message({:string, text}, secrets) do
    {:string, text |> IO.chardata_to_string() |> Secrets.conceal(secrets)}
  end

  defp message(other, secrets), do: Secrets.conceal(other, secrets)

  defp secrets do
    ancestors = with list when is_list(list) <- Process.get(:"$ancestors"), do: list, else: (_ -> [])
    Enum.reduce([self() | ancestors], nil, &Secrets.merge(noted(&1), &2))
  end

  defp noted(pid) when is_pid(pid) do
    case Registry.lookup(Names, {__MODULE__, pid}) do
      [{^pid, {instance, id, secrets}}] -> Secrets.merge(secrets, registered(instance, id))
      [] -> nil
    end
  rescue
    # The names of all instances are gone, or not there yet.
    ArgumentError -> nil
  end

  defp noted(_name), do: nil

  # Of a configuration that came later.
  defp registered(instance, id) do
    with %{secrets: secrets} <- Plugins.info(Plugins.owned(instance), id), do: secrets, else: (_ -> nil)
  rescue
    ArgumentError -> nil
  end
end
