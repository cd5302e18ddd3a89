defmodule Pipeline.Hook.Registration do
  @moduledoc false
  # A hook in a chain: its declaration, its plugin, and the function or native hook to call.

  alias Pipeline.Hook.{Definition, HookCounters, SkipLog}
  alias Pipeline.Hook.Policy.Circuit.Breaker
  alias Pipeline.Foreign.Stacktrace
  alias Pipeline.Hook.Policy.{Check, When}
  alias Pipeline.{Native, Secrets}

  @enforce_keys [:plugin, :point, :kind, :priority, :sequence, :before, :after, :on_error, :policies, :call]
  defstruct [:handle, :instance, :counters, :version, :skip_log, :secrets, overridden: []] ++ @enforce_keys

  @typedoc "An Elixir function, or a hook of a native library."
  @type call :: function | Native.Hook.t()

  @typedoc "The settings of its policies (`Pipeline.Hook.Policy`), for those that it has."
  @type policies :: %{
          optional(:timeout) => milliseconds :: pos_integer,
          optional(:max_heap) => bytes :: pos_integer,
          optional(:circuit) => Breaker.t(),
          optional(:when) => When.condition(),
          # Of a point that has some, where its instance checks.
          optional(:check) => Check.schemas()
        }

  @type t :: %__MODULE__{
          plugin: Pipeline.Plugin.plugin_id() | nil,
          point: atom,
          kind: Pipeline.Hook.kind(),
          priority: integer,
          # Orders hooks of one priority, and is the identity of the hook within its instance.
          sequence: non_neg_integer,
          before: [Pipeline.Plugin.plugin_id()],
          after: [Pipeline.Plugin.plugin_id()],
          on_error: :halt | :skip | :raise,
          policies: policies,
          call: call,
          # What a function of three arguments gets, two of a listener.
          handle: term,
          # Both `nil` in a chain that belongs to no instance.
          instance: term,
          counters: HookCounters.t(),
          # Of the plugin, for log lines.
          version: Pipeline.Plugin.version() | nil,
          # The options that an operator has given.
          overridden: [atom],
          # Of a hook with `on_error: :skip`.
          skip_log: SkipLog.t() | nil,
          # Returns the secrets that a plugin of an instance has now.
          secrets: (term, Pipeline.Plugin.plugin_id() -> Secrets.t() | nil) | nil
        }

  @spec new(Definition.t(), Pipeline.Plugin.plugin_id() | nil, non_neg_integer, call, handle :: term) :: t
  def new(definition, plugin, sequence, call, handle \\ nil) do
    %__MODULE__{
      plugin: plugin,
      point: definition.point,
      kind: definition.kind,
      priority: definition.priority,
      sequence: sequence,
      before: definition.before,
      after: definition.after,
      on_error: definition.on_error,
      policies: policies(definition, call),
      call: call,
      handle: handle,
      overridden: Map.get(definition, :overridden, []),
      skip_log: if(definition.on_error == :skip, do: SkipLog.new())
    }
  end

  @doc "The same hook, with its counters, by another definition. A circuit with the same settings goes on."
  @spec redefine(t, Definition.t()) :: t
  def redefine(%__MODULE__{} = hook, definition) do
    circuit =
      case hook.policies do
        %{circuit: %{settings: settings} = breaker} when settings == definition.circuit -> breaker
        _ -> definition.circuit && Breaker.new(definition.circuit, hook.call)
      end

    policies = Map.drop(hook.policies, [:timeout, :circuit])

    given =
      Map.reject(%{timeout: definition.timeout, circuit: circuit}, fn {_policy, value} -> value == nil end)

    %{
      hook
      | priority: definition.priority,
        on_error: definition.on_error,
        policies: Map.merge(policies, given),
        overridden: Map.get(definition, :overridden, []),
        skip_log: if(definition.on_error == :skip, do: hook.skip_log || SkipLog.new())
    }
  end

  defp policies(definition, call) do
    circuit = definition.circuit && Breaker.new(definition.circuit, call)

    settings = %{
      timeout: definition.timeout,
      max_heap: definition.max_heap,
      circuit: circuit,
      when: definition.when
    }

    Map.reject(settings, fn {_policy, setting} -> setting == nil end)
  end

  @doc "A reason of a failure of it, without the secrets of its plugin."
  @spec conceal(t, term) :: term
  def conceal(%__MODULE__{} = hook, reason), do: Secrets.conceal(reason, secrets(hook))

  defp secrets(%{secrets: secrets, instance: instance}) when secrets == nil or instance == nil, do: nil
  defp secrets(%{secrets: secrets, instance: instance, plugin: plugin}), do: secrets.(instance, plugin)

  @doc "Raises a failure on to the caller of the run."
  @spec raise(t, :error | :exit | :throw, term, Exception.stacktrace()) :: no_return
  def raise(%__MODULE__{} = hook, kind, reason, stacktrace) do
    case secrets(hook) do
      nil -> :erlang.raise(kind, reason, stacktrace)
      secrets -> :erlang.raise(kind, Secrets.conceal(reason, secrets), Stacktrace.told(stacktrace))
    end
  end

  @doc "The hook as `Pipeline.Hook.chain/2` shows it."
  @spec describe(t) :: map
  def describe(%__MODULE__{call: call} = hook) do
    described =
      hook
      |> Map.take([:plugin, :point, :kind, :priority, :on_error])
      |> Map.put(:tier, if(is_function(call), do: :elixir, else: :native))

    described =
      case hook.policies do
        %{circuit: breaker} -> Map.put(described, :circuit, breaker.settings)
        %{} -> described
      end

    described =
      if hook.overridden == [], do: described, else: Map.put(described, :overridden, hook.overridden)

    case call do
      %Native.Hook{} -> Map.merge(described, %{native: {call.library, call.name}, cost: call.cost})
      _fun -> described
    end
  end

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
