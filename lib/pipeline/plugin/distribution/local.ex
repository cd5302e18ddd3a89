defmodule Pipeline.Plugin.Distribution.Local do
  @moduledoc false
  # An instance that is in no cluster.

  @behaviour Pipeline.Plugin.Distribution

  @impl true
  def options!(_opts), do: nil

  @impl true
  def children(_instance, _options), do: {[], []}

  @impl true
  def forward(_instance, _type, _payload, _nodes), do: :ok

  @impl true
  def forwards?(_instance, _type), do: false

  @impl true
  def default_node(_instance), do: nil

  @impl true
  def call(_instance, node, _id, _request, _deadline), do: {:error, {absent(node), node}}

  @impl true
  def call_any(_instance, _id, _request, _deadline), do: {:error, :nowhere}

  @impl true
  def cast(_instance, node, _id, _message), do: {:error, {absent(node), node}}

  @impl true
  def load(instance, _plugins, _modules, _timeout), do: {:error, {:not_clustered, instance}}

  @impl true
  def unload(instance, _id, _opts), do: {:error, {:not_clustered, instance}}

  @impl true
  def upgrade(instance, _id, _target, _opts), do: {:error, {:not_clustered, instance}}

  @impl true
  def pending(_instance), do: nil

  defp absent(node), do: if(node in Node.list(), do: :no_instance, else: :nodedown)
end
