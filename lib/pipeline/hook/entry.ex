defmodule Pipeline.Hook.Entry do
  @moduledoc false
  # One hook as it stands in a chain: what was declared, whose it is, and what to call.

  alias Pipeline.Hook.{Circuit, Options}

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
    :max_heap,
    :circuit,
    :call,
    :tally,
    :observer
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
          max_heap: pos_integer | nil,
          circuit: Circuit.t() | nil,
          call: call,
          # What is counted of it, `nil` outside of an instance.
          tally: Pipeline.Hook.Tally.t(),
          # Told of failures, in a run that is traced.
          observer: (Pipeline.Hook.Error.t() -> term) | nil
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
      max_heap: options.max_heap,
      circuit: options.circuit && Circuit.new(options.circuit, call),
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

    described = if entry.circuit, do: Map.put(described, :circuit, entry.circuit.settings), else: described

    case entry.call do
      {:elixir, _fun} -> described
      {:native, library, name, _hook, cost} -> Map.merge(described, %{native: {library, name}, cost: cost})
    end
  end

  @doc "The name of a plugin's function, `nil` of a native hook and of a function without a name."
  @spec function_name(t) :: atom
  def function_name(%__MODULE__{call: {:elixir, fun}}) do
    with {:type, :external} <- Function.info(fun, :type), {:name, name} <- Function.info(fun, :name) do
      name
    else
      {:type, :local} -> nil
    end
  end

  def function_name(%__MODULE__{}), do: nil
end
