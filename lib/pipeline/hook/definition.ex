defmodule Pipeline.Hook.Definition do
  @moduledoc false
  # Checks the options of a hook, for plugins and for `Pipeline.Hook.Manager`.

  alias Pipeline.HeapLimit
  alias Pipeline.Hook.Policy.Circuit.Settings
  alias Pipeline.Hook.Policy.When
  alias Pipeline.{Native, Options}

  @kinds [:before, :after, :around, :replace, :listen]
  @costs [:light, :heavy, :blocking]
  @options [
    :priority,
    :before,
    :after,
    :fun,
    :on_error,
    :timeout,
    :max_heap,
    :circuit,
    :when,
    :native,
    :config,
    :cost
  ]

  @type t :: %{
          required(:kind) => Pipeline.Hook.kind(),
          required(:point) => atom,
          required(:fun) => atom,
          required(:priority) => integer,
          required(:before) => [Pipeline.Plugin.plugin_id()],
          required(:after) => [Pipeline.Plugin.plugin_id()],
          required(:on_error) => :halt | :skip | :raise,
          required(:timeout) => pos_integer | nil,
          required(:max_heap) => pos_integer | nil,
          required(:circuit) => Settings.t() | nil,
          # An atom names a function of the plugin.
          required(:when) => When.condition() | atom,
          required(:native) => {module, atom} | nil,
          required(:config) => term,
          required(:cost) => :light | :heavy | :blocking | nil,
          # The options that an operator has given.
          optional(:overridden) => [atom]
        }

  @spec check(term, term, term) :: {:ok, t} | {:error, String.t()}
  def check(kind, point, opts) do
    with :ok <- check_kind(kind),
         :ok <- check_point(point),
         :ok <- Options.check(opts, @options, "hook #{inspect(kind)}, #{inspect(point)}"),
         options = with_defaults(kind, point, opts),
         :ok <- check_values(options, opts),
         {:ok, circuit} <- Settings.check(opts[:circuit]) do
      {:ok, %{options | circuit: circuit}}
    end
  end

  @overridable [:priority, :on_error, :timeout, :circuit, :enabled]

  @typedoc "What an operator says of a hook: some of these, `:infinity` for no timeout, `false` for no circuit."
  @type override :: %{
          optional(:priority) => integer,
          optional(:on_error) => :halt | :skip | :raise,
          optional(:timeout) => pos_integer | :infinity,
          optional(:circuit) => keyword | true | false,
          optional(:enabled) => boolean
        }

  @doc "Checks the names of the options with which an operator overrides those of a hook."
  @spec check_override(term, atom) :: :ok | {:error, String.t()}
  def check_override(options, point) when is_map(options), do: check_override(Map.to_list(options), point)

  def check_override(options, point),
    do: Options.check(options, @overridable, "the hooks on #{inspect(point)}")

  @doc "A hook with an operator's options in place of the author's, `nil` for one that is switched off."
  @spec override(t, override) :: {:ok, t | nil} | {:error, String.t()}
  def override(definition, override) when override == %{}, do: {:ok, definition}

  def override(definition, override) do
    timeout = Map.get(override, :timeout, definition.timeout)

    overridden =
      definition
      |> Map.merge(Map.take(override, [:priority, :on_error]))
      |> Map.put(:timeout, if(timeout != :infinity, do: timeout))

    with :ok <- check_values(overridden, []),
         {:ok, circuit} <- override_circuit(override, definition) do
      case Map.get(override, :enabled, true) do
        true -> {:ok, %{overridden | circuit: circuit} |> Map.put(:overridden, Map.keys(override))}
        false -> {:ok, nil}
        other -> {:error, "enabled: is true or false, got: #{inspect(other)}"}
      end
    end
  end

  defp override_circuit(%{circuit: false}, _definition), do: {:ok, nil}
  defp override_circuit(%{circuit: circuit}, _definition), do: Settings.check(circuit)
  defp override_circuit(_override, %{circuit: circuit}), do: {:ok, circuit}

  @doc "The number of arguments of a hook of this kind that takes no handle of its plugin."
  @spec arity(Pipeline.Hook.kind()) :: 1 | 2
  def arity(:listen), do: 1
  def arity(_kind), do: 2

  @doc "The numbers of arguments that the function of a plugin can have: without and with the handle."
  @spec arities(Pipeline.Hook.kind()) :: [1..3]
  def arities(kind), do: [arity(kind), arity(kind) + 1]

  @doc "How a hook is called that takes no handle."
  @spec form(Pipeline.Hook.kind()) :: String.t()
  def form(:listen), do: "called as (context)"
  def form(_kind), do: "called as (context, next)"

  @doc "How the hook of a plugin is called."
  @spec forms(Pipeline.Hook.kind()) :: String.t()
  def forms(:listen), do: form(:listen) <> " or (context, plugin)"
  def forms(kind), do: form(kind) <> " or (context, next, plugin)"

  defp check_kind(kind) when kind in @kinds, do: :ok

  defp check_kind(kind) do
    {:error,
     "unknown kind of hook #{inspect(kind)}." <>
       Options.did_you_mean(kind, @kinds) <> " Known: #{Enum.map_join(@kinds, ", ", &inspect/1)}"}
  end

  defp check_point(point) when is_atom(point) and point not in [nil, true, false], do: :ok
  defp check_point(point), do: {:error, "the name of a hook point is an atom, got: #{inspect(point)}"}

  defp with_defaults(kind, point, opts) do
    %{
      kind: kind,
      point: point,
      fun: opts[:fun] || point,
      priority: Keyword.get(opts, :priority, Native.HookOrder.default_priority()),
      before: List.wrap(opts[:before]),
      after: List.wrap(opts[:after]),
      on_error: Keyword.get(opts, :on_error, :halt),
      timeout: opts[:timeout],
      max_heap: opts[:max_heap],
      circuit: nil,
      when: opts[:when],
      native: native(opts[:native]),
      config: Keyword.get(opts, :config, %{}),
      cost: opts[:cost]
    }
  end

  defp native(name) when is_atom(name) and name != nil, do: {Pipeline.Native, name}
  defp native(other), do: other

  defp check_values(options, opts) do
    cond do
      not Native.HookOrder.priority?(options.priority) ->
        {:error, "the priority of a hook is an integer of at most 64 bits, got: #{inspect(options.priority)}"}

      not Enum.all?(options.before ++ options.after, &Native.Id.valid?/1) ->
        {:error, "before: and after: take plugin ids, got: #{inspect(options.before ++ options.after)}"}

      options.on_error not in [:halt, :skip, :raise] ->
        {:error, "on_error: is :halt, :skip or :raise, got: #{inspect(options.on_error)}"}

      not is_atom(options.fun) ->
        {:error, "fun: names a function of the plugin, got: #{inspect(options.fun)}"}

      true ->
        with :ok <- check_when(options),
             :ok <- check_timeout(options),
             :ok <- check_max_heap(options),
             do: check_native(options, opts)
    end
  end

  defp check_when(%{when: condition})
       when is_atom(condition) or is_function(condition, 1) or
              (is_map(condition) and not is_struct(condition)),
       do: :ok

  defp check_when(%{when: condition}) do
    {:error,
     "when: takes a function of the context or a map of fields with their values, got: #{inspect(condition)}"}
  end

  defp check_timeout(%{timeout: nil}), do: :ok

  defp check_timeout(%{timeout: timeout, kind: kind, native: native, cost: cost}) do
    cond do
      not (is_integer(timeout) and timeout > 0) ->
        {:error, "timeout: is a positive number of milliseconds, got: #{inspect(timeout)}"}

      native != nil and kind == :around ->
        {:error, "timeout: does not reach into a native :around hook; leave it out"}

      native != nil and cost in [:light, :heavy] ->
        {:error, Native.Hook.no_timeout(cost)}

      true ->
        :ok
    end
  end

  defp check_max_heap(%{max_heap: nil}), do: :ok

  defp check_max_heap(%{timeout: nil}) do
    {:error, "max_heap: is for hooks with a timeout:, which run in a process of their own; give it one"}
  end

  defp check_max_heap(%{max_heap: bytes}) do
    if HeapLimit.bytes?(bytes),
      do: :ok,
      else:
        {:error, "max_heap: is a number of bytes, at least #{HeapLimit.smallest()}, got: #{inspect(bytes)}"}
  end

  defp check_native(%{native: nil}, opts) do
    case Enum.find([:config, :cost], &Keyword.has_key?(opts, &1)) do
      nil -> :ok
      key -> {:error, "#{key}: is for native hooks; name one with native:"}
    end
  end

  defp check_native(%{native: native, kind: kind} = options, opts) do
    cond do
      not match?({library, name} when is_atom(library) and is_atom(name), native) ->
        {:error, "native: is the name of a native hook or {library, name}, got: #{inspect(native)}"}

      kind == :listen ->
        {:error, "native hooks are :before, :replace, :after or :around hooks, not :listen"}

      options.cost not in [nil | @costs] ->
        {:error, "cost: is :light, :heavy or :blocking, got: #{inspect(options.cost)}"}

      kind == :around and options.cost == :blocking ->
        {:error, "cost: :blocking is for :before, :after and :replace hooks, not for :around"}

      Keyword.has_key?(opts, :fun) ->
        {:error, "a native hook has no function: leave fun: out"}

      true ->
        :ok
    end
  end
end
