defmodule Pipeline.Cluster.Adapter do
  @moduledoc false
  # The cluster as the rest of the library calls it.

  @behaviour Pipeline.Plugin.Distribution

  alias Pipeline.Cluster
  alias Pipeline.Cluster.{Advice, Change, Outbox, RemoteCall, Table}

  @impl true
  defdelegate options!(opts), to: Cluster.Options, as: :check!

  @impl true
  def children(instance, options), do: {[{Table, {instance, options}}], [{Cluster.Supervisor, instance}]}

  @impl true
  defdelegate forward(instance, type, payload, nodes), to: Outbox

  @impl true
  defdelegate forwards?(instance, type), to: Outbox

  @impl true
  defdelegate default_node(instance), to: RemoteCall, as: :default

  @impl true
  defdelegate call(instance, node, id, request, deadline), to: RemoteCall

  @impl true
  defdelegate call_any(instance, id, request, deadline), to: RemoteCall, as: :any

  @impl true
  defdelegate cast(instance, node, id, message), to: RemoteCall

  @impl true
  def load(instance, plugins, modules, timeout), do: Change.Load.request(plugins, modules, timeout, instance)

  @impl true
  def unload(instance, id, opts), do: Change.Unload.request(id, opts, instance)

  @impl true
  def upgrade(instance, id, target, opts), do: Change.Upgrade.request(id, target, opts, instance)

  @impl true
  defdelegate pending(instance), to: Advice
end
