defmodule Pipeline.Hook.Entry do
  @moduledoc false
  # One hook as it stands in a chain: what was declared, whose it is, and what to call.

  alias Pipeline.Hook.Options

  defstruct [
    :plugin,
    :point,
    :kind,
    :priority,
    :registration,
    :before,
    :after,
    :on_error,
    :timeout,
    :call
  ]

  @typedoc "An Elixir function, or a hook of a native library."
  @type call ::
          {:elixir, function}
          | {:native, library :: module, name :: atom, hook :: reference,
             cost :: Pipeline.Hook.Options.cost()}

  @type t :: %__MODULE__{
          plugin: Pipeline.Plugin.plugin_id() | nil,
          point: atom,
          kind: Pipeline.Hook.kind(),
          priority: integer,
          registration: non_neg_integer,
          before: [Pipeline.Plugin.plugin_id()],
          after: [Pipeline.Plugin.plugin_id()],
          on_error: :halt | :skip | :raise,
          timeout: pos_integer | nil,
          call: call
        }

  @spec new(Options.t(), Pipeline.Plugin.plugin_id() | nil, non_neg_integer, call) :: t
  def new(options, plugin, registration, call) do
    %__MODULE__{
      plugin: plugin,
      point: options.point,
      kind: options.kind,
      priority: options.priority,
      registration: registration,
      before: options.before,
      after: options.after,
      on_error: options.on_error,
      timeout: options.timeout,
      call: call
    }
  end

  @doc "What `Pipeline.Hook.chain/2` shows of it."
  @spec describe(t) :: map
  def describe(%__MODULE__{} = entry) do
    described = %{
      plugin: entry.plugin,
      point: entry.point,
      kind: entry.kind,
      priority: entry.priority,
      tier: elem(entry.call, 0),
      on_error: entry.on_error
    }

    case entry.call do
      {:elixir, _fun} -> described
      {:native, library, name, _hook, cost} -> Map.merge(described, %{native: {library, name}, cost: cost})
    end
  end
end
