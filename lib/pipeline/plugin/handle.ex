defmodule Pipeline.Plugin.Handle do
  @moduledoc """
  A plugin in an instance, as its hooks get it.

      hook :before, :execute_node do
        def execute_node(context, next, plugin) do
          {:ok, left} = Pipeline.Plugin.RPC.call(plugin, {:take, context.tokens})
          next.(Map.put(context, :left, left - plugin.config.reserve))
        end
      end

  A hook gets the handle as its third argument (the second of a `:listen` hook), if it takes so many. It costs
  nothing in a run. After `Pipeline.Plugin.Manager.update_config/3`, new runs get a handle with the new
  configuration.

  `Pipeline.Plugin.RPC`, `Pipeline.Plugin.Events` and `Pipeline.Plugin.Security` take a handle in place of an
  id, and in place of the name of an instance under `:instance`.

  Inspecting a handle does not show the configuration, since that may hold secrets.
  """

  alias Pipeline.Instance

  @enforce_keys [:id, :instance, :config]
  defstruct @enforce_keys

  @type t :: %__MODULE__{id: Pipeline.Plugin.plugin_id(), instance: term, config: Pipeline.Plugin.config()}

  @doc false
  # The instance that options name, by itself or by a handle.
  @spec instance(keyword) :: term
  def instance(opts) do
    case opts[:instance] do
      nil -> Instance.Caller.instance()
      %__MODULE__{instance: instance} -> instance
      instance -> instance
    end
  end

  @doc false
  # The plugin and the instance that arguments name.
  @spec target(Pipeline.Plugin.plugin_id() | t, keyword) :: {Pipeline.Plugin.plugin_id(), instance :: term}
  def target(%__MODULE__{id: id, instance: instance}, opts),
    do: {id, if(opts[:instance], do: instance(opts), else: instance)}

  def target(id, opts), do: {id, instance(opts)}

  defimpl Inspect do
    def inspect(handle, _opts), do: "#Pipeline.Plugin.Handle<#{Kernel.inspect(handle.id)}>"
  end
end
