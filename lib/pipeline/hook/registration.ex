defmodule Pipeline.Hook.Registration do
  @moduledoc false
  # One hook as it stands in a chain: what was declared, whose it is, and what to call.

  alias Pipeline.Foreign.Stacktrace
  alias Pipeline.Hook.{Circuit, Definition}
  alias Pipeline.{Native, Secrets}

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
    :observer,
    :secrets
  ]

  @typedoc "An Elixir function, or a hook of a native library."
  @type call :: function | Native.Hook.t()

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
          tally: Pipeline.Hook.HookCounters.t(),
          # Told of failures, in a run that is traced.
          observer: (Pipeline.Hook.Error.t() -> term) | nil,
          # The secrets that its plugin has now.
          secrets: (() -> Secrets.t() | nil) | nil
        }

  @spec new(Definition.t(), Pipeline.Plugin.plugin_id() | nil, non_neg_integer, call) :: t
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

  @doc "A reason of a failure of it, without the secrets of its plugin."
  @spec conceal(t, term) :: term
  def conceal(%__MODULE__{secrets: nil}, reason), do: reason
  def conceal(%__MODULE__{secrets: secrets}, reason), do: Secrets.conceal(reason, secrets.())

  @doc "A failure that is raised on to the caller of the run."
  @spec raise(t, :error | :exit | :throw, term, Exception.stacktrace()) :: no_return
  def raise(%__MODULE__{} = entry, kind, reason, stacktrace) do
    case entry.secrets && entry.secrets.() do
      nil -> :erlang.raise(kind, reason, stacktrace)
      secrets -> :erlang.raise(kind, Secrets.conceal(reason, secrets), Stacktrace.told(stacktrace))
    end
  end

  @doc "What `Pipeline.Hook.chain/2` shows of it."
  @spec describe(t) :: map
  def describe(%__MODULE__{} = entry) do
    described = %{
      plugin: entry.plugin,
      point: entry.point,
      kind: entry.kind,
      priority: entry.priority,
      tier: tier(entry.call),
      on_error: entry.on_error
    }

    described = if entry.circuit, do: Map.put(described, :circuit, entry.circuit.settings), else: described

    case entry.call do
      %Native.Hook{} = hook -> Map.merge(described, %{native: {hook.library, hook.name}, cost: hook.cost})
      _fun -> described
    end
  end

  defp tier(%Native.Hook{}), do: :native
  defp tier(_fun), do: :elixir

  @doc "The name of a plugin's function, `nil` of a native hook and of a function without a name."
  @spec function_name(t) :: atom
  def function_name(%__MODULE__{call: fun}) when is_function(fun) do
    with {:type, :external} <- Function.info(fun, :type), {:name, name} <- Function.info(fun, :name) do
      name
    else
      {:type, :local} -> nil
    end
  end

  def function_name(%__MODULE__{}), do: nil
end
