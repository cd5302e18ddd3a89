defmodule Pipeline.Plugin.Distribution do
  @moduledoc false
  # The other nodes of an instance. `Pipeline.Plugin.Distribution.Local`, the default, knows none; the option `cluster:`
  # of an instance chooses `Pipeline.Cluster`. That module is named by the application's environment (mix.exs), since it
  # belongs to a later layer.

  alias Pipeline.Instance.Published
  alias Pipeline.Plugin
  alias Pipeline.Plugin.Distribution.Local

  @behaviour Published

  @type options :: term
  @type child :: Supervisor.child_spec() | {module, term}

  @typedoc "A plugin that could not be brought to the state that holds on all nodes, and what to do about it."
  @type pending :: %{
          plugin: Plugin.plugin_id(),
          to_be: :loaded | :unloaded,
          reason: term,
          advice: String.t()
        }

  @doc "Validates the option `cluster:`. Raises `ArgumentError`."
  @callback options!(term) :: options

  @doc "Children of an instance, those before its published state and those after its manager."
  @callback children(instance :: term, options) :: {first :: [child], last :: [child]}

  @doc "Sends an event to the other nodes, if it is to travel."
  @callback forward(instance :: term, type :: term, payload :: term, nodes :: :all | nil) :: :ok
  @callback forwards?(instance :: term, type :: term) :: boolean

  @doc "The node to call where the caller names none."
  @callback default_node(instance :: term) :: :any | nil
  @callback call(instance :: term, node, Plugin.plugin_id(), request :: term, deadline :: integer | :infinity) ::
              {:ok, term} | {:error, term}
  @doc "Calls the plugin on one of the other nodes that have it. `{:error, :nowhere}` if none has."
  @callback call_any(instance :: term, Plugin.plugin_id(), request :: term, deadline :: integer | :infinity) ::
              {:ok, term} | {:error, term}
  @callback cast(instance :: term, node, Plugin.plugin_id(), message :: term) :: :ok | {:error, term}

  @doc "The changes with `nodes: :all`."
  @callback load(
              instance :: term,
              [{module, Plugin.config()}],
              modules :: [module],
              timeout
            ) :: {:ok, [Plugin.plugin_id()]} | {:error, term}
  @callback unload(instance :: term, Plugin.plugin_id(), keyword) :: :ok | {:error, term}
  @callback upgrade(instance :: term, Plugin.plugin_id(), target :: term, keyword) ::
              {:ok, Plugin.version()} | {:error, term}

  @doc "Plugins that this node could not bring to the state that holds on all nodes, `nil` without a cluster."
  @callback pending(instance :: term) :: [pending] | nil

  @doc "The implementation that an instance runs with."
  @spec of(atom) :: module
  def of(instance), do: Published.get(instance, __MODULE__) || Local

  @doc "Validates the option `cluster:`: the implementation and its options."
  @spec options!(term) :: {module, options}
  def options!(off) when off in [nil, false], do: {Local, nil}

  def options!(opts) do
    module = Application.fetch_env!(:pipeline_plugin, :distribution)
    {module, module.options!(opts)}
  end

  @doc "Whether there can be other nodes, by what `options!/1` has returned."
  @spec clustered?({module, options}) :: boolean
  def clustered?({module, _options}), do: module != Local

  @impl Published
  def value(_instance, {module, _options}), do: module

  @doc "The children of an instance with these options."
  @spec children(atom, {module, options}) :: {first :: [child], last :: [child]}
  def children(instance, {module, options}), do: module.children(instance, options)
end
