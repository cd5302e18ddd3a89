defmodule Pipeline.Hook.Spec do
  @moduledoc """
  Declares the hook points of a host.

      defmodule MyApp.Hooks do
        use Pipeline.Hook.Spec

        hookpoint :validate_node, kinds: [:before], context: [:node], doc: "refuses a node that cannot run"
        hookpoint :route, mode: :first, doc: "chooses a handler; the first answer wins"
      end

  A plugin that names the spec (`use Pipeline.Plugin, hooks: MyApp.Hooks`) is checked against it when it is
  compiled and again when it is loaded. An instance that names it
  (`Pipeline.Plugin.Manager.start_link(hooks: MyApp.Hooks)`) runs each point in its mode, also while no plugin
  has a hook there. It refuses plugins with hooks on other points, and a run of another point raises, both with
  a suggestion. With `use Pipeline.Hook.Spec, open: true` it takes other points too.

  ## Options of a hook point

    * `:mode` - `:chain` (default), `:first`, `:collect` or `:notify`, see `Pipeline.Hook`
    * `:kinds` - the kinds of hooks that it takes, by default all of its mode: `:before`, `:after`, `:around`
      and `:replace` for a chain, `:listen` for the others
    * `:tagged` - when `true`, the values of `:first` and `:collect` are `{plugin, value}`, with the plugin's id
    * `:concurrency` - how many listeners run side by side, 1 by default. With more, each runs in a task, as a
      hook with `timeout:` does. The order of values stays that of the hooks
    * `:fail` - `:open` (default) or `:closed`. A plugin that does not run has no hooks, and runs pass without
      them. On a closed point they do not: while a plugin that has hooks there has failed, is held, or could not
      be loaded when the instance started, a run returns `{:error, %Pipeline.Hook.Error{}}` with the reason
      `{:plugin_down, id, state}`. Only `disable_plugin` and `unload_plugin` take its hooks away. A plugin of the
      configuration whose code cannot be read closes all closed points, since its hooks are not known
    * `:required` - when `true`, a run without any hook returns `{:error, {:no_hook, point}}`
    * `:context` - the keys that hooks can expect in the context, for readers; or a schema of them, as in
      `Pipeline.Plugin.ConfigSchema`, or the type of a context that is no map
    * `:result` - the same of what a run returns
    * `:doc` - the purpose of the point

  ## Schemas

      hookpoint :chat,
        context: [prompt: [type: :string, required: true], tokens: [type: :pos_integer]],
        result: [answer: [type: :string, required: true]]

  With them an instance can check what is handed on. A run whose context does not fit raises `ArgumentError`. A hook fails
  that hands on a context or a result that does not fit, with the reason `{:invalid_context, sentences}` or
  `{:invalid_result, sentences}`, each with the path of a field. Further fields may be there. Native hooks then run one by
  one.

  An instance checks with `check: true`. By default it does where the spec was compiled in the Mix environment `:dev` or
  `:test`. Where it does not, schemas cost nothing.
  """

  alias Pipeline.Hook.Policy.Check
  alias Pipeline.Options

  @typedoc "The mode of a hook point, see `Pipeline.Hook`."
  @type mode :: :chain | :first | :collect | :notify

  @typedoc "A declared hook point."
  @type hookpoint :: %{
          mode: mode,
          kinds: [Pipeline.Hook.kind()],
          listening: listening,
          fail: :open | :closed,
          required: boolean,
          context: [atom],
          schemas: Check.schemas() | nil,
          doc: String.t()
        }

  @typedoc "The options of a point with listeners."
  @type listening :: %{tagged: boolean, concurrency: pos_integer}

  @listening %{tagged: false, concurrency: 1}

  @kinds %{
    chain: [:before, :after, :around, :replace],
    first: [:listen],
    collect: [:listen],
    notify: [:listen]
  }

  @doc false
  defmacro __using__(opts) do
    quote do
      @pipeline_open Pipeline.Hook.Spec.__open__(__ENV__, unquote(opts))
      @pipeline_check Pipeline.Hook.Spec.__check_by_default__()
      import Pipeline.Hook.Spec, only: [hookpoint: 1, hookpoint: 2]
      Module.register_attribute(__MODULE__, :pipeline_hookpoints, accumulate: true)
      @before_compile Pipeline.Hook.Spec
    end
  end

  @doc "Declares a hook point; see the module's documentation for the options."
  defmacro hookpoint(name, opts \\ []) do
    quote do
      @pipeline_hookpoints Pipeline.Hook.Spec.__hookpoint__(__ENV__, unquote(name), unquote(opts))
    end
  end

  @doc false
  defmacro __before_compile__(env) do
    points = env.module |> Module.get_attribute(:pipeline_hookpoints) |> Map.new() |> Macro.escape()

    quote do
      @doc "The hook points declared here, by name."
      @spec __hookpoints__() :: %{atom => Pipeline.Hook.Spec.hookpoint()}
      def __hookpoints__, do: unquote(points)

      @doc false
      @spec __check__() :: boolean
      def __check__, do: @pipeline_check

      @doc false
      @spec __open__() :: boolean
      def __open__, do: @pipeline_open
    end
  end

  @doc false
  # Where nothing but Mix can tell. It is not there in a release, and may not be started.
  def __check_by_default__ do
    Code.ensure_loaded?(Mix) and Mix.env() in [:dev, :test]
  rescue
    ArgumentError -> false
  end

  @doc false
  def __open__(env, opts) do
    with :ok <- Options.check(opts, [:open], "use Pipeline.Hook.Spec"),
         open? when is_boolean(open?) <- Keyword.get(opts, :open, false) do
      open?
    else
      {:error, message} ->
        raise CompileError, file: env.file, line: env.line, description: message

      other ->
        raise CompileError,
          file: env.file,
          line: env.line,
          description: "open: is true or false, got: #{inspect(other)}"
    end
  end

  @doc false
  def __hookpoint__(env, name, opts) do
    with :ok <- check_name(name, env),
         :ok <-
           Options.check(
             opts,
             [:mode, :kinds, :tagged, :concurrency, :fail, :required, :context, :result, :doc],
             "hookpoint #{inspect(name)}"
           ),
         {:ok, mode} <- check_mode(name, opts[:mode] || :chain),
         {:ok, kinds} <- check_kinds(name, mode, opts[:kinds] || @kinds[mode]),
         {:ok, listening} <- check_listening(name, mode, Keyword.take(opts, [:tagged, :concurrency])),
         :ok <- check_choice(name, opts, :fail, [:open, :closed]),
         :ok <- check_choice(name, opts, :required, [true, false]),
         {:ok, schemas} <- check_schemas(name, mode, opts) do
      {name,
       %{
         mode: mode,
         kinds: kinds,
         listening: listening,
         fail: opts[:fail] || :open,
         required: opts[:required] || false,
         context: keys(opts[:context]),
         schemas: schemas,
         doc: opts[:doc] || ""
       }}
    else
      {:error, message} -> raise CompileError, file: env.file, line: env.line, description: message
    end
  end

  @doc """
  Checks whether a point of the spec takes hooks of a kind.

  The error is a sentence for the plugin's author.
  """
  @spec check(module, atom, Pipeline.Hook.kind()) :: :ok | {:error, String.t()}
  def check(spec, point, kind) do
    points = spec.__hookpoints__()

    case points do
      %{^point => %{kinds: kinds}} ->
        if kind in kinds do
          :ok
        else
          {:error,
           "the hook point #{inspect(point)} of #{inspect(spec)} takes no #{inspect(kind)} hooks, " <>
             "it takes: #{Enum.map_join(kinds, ", ", &inspect/1)}"}
        end

      %{} ->
        {:error, undeclared(spec, point)}
    end
  end

  @doc "The sentence about a point that a spec does not declare."
  @spec undeclared(module, atom) :: String.t()
  def undeclared(spec, point) do
    known = spec.__hookpoints__() |> Map.keys() |> Enum.sort()

    "unknown hook point #{inspect(point)}: #{inspect(spec)} does not declare it." <>
      Options.did_you_mean(point, known) <>
      " Declared: #{Enum.map_join(known, ", ", &inspect/1)}"
  end

  @doc "Whether an instance with the spec takes points that it does not declare."
  @spec open?(module) :: boolean
  def open?(spec), do: spec.__open__()

  @doc "Whether a point stays closed while a plugin with hooks there does not run. No spec closes one."
  @spec closed?(module | nil, atom) :: boolean
  def closed?(nil, _point), do: false
  def closed?(spec, point), do: match?(%{^point => %{fail: :closed}}, spec.__hookpoints__())

  @doc "The mode of a point, `nil` if the spec does not declare it."
  @spec mode(module, atom) :: mode | nil
  def mode(spec, point) do
    case spec.__hookpoints__() do
      %{^point => %{mode: mode}} -> mode
      %{} -> nil
    end
  end

  @doc "The options of a point with listeners; the defaults if the spec does not declare it."
  @spec listening(module | nil, atom) :: listening
  def listening(nil, _point), do: @listening

  def listening(spec, point) do
    case spec.__hookpoints__() do
      %{^point => %{listening: listening}} -> listening
      %{} -> @listening
    end
  end

  defp check_listening(_name, _mode, []), do: {:ok, @listening}

  defp check_listening(name, mode, opts) do
    cond do
      mode == :chain or (mode == :notify and opts[:tagged]) ->
        {:error,
         "the hook point #{inspect(name)} runs as #{inspect(mode)}, which takes no #{inspect(hd(Keyword.keys(opts)))}"}

      not is_boolean(Keyword.get(opts, :tagged, false)) ->
        {:error,
         "tagged: of the hook point #{inspect(name)} is true or false, got: #{inspect(opts[:tagged])}"}

      not (is_integer(Keyword.get(opts, :concurrency, 1)) and Keyword.get(opts, :concurrency, 1) > 0) ->
        {:error,
         "concurrency: of the hook point #{inspect(name)} is a positive number of listeners, got: " <>
           inspect(opts[:concurrency])}

      true ->
        {:ok, Map.merge(@listening, Map.new(opts))}
    end
  end

  defp keys(context) when is_list(context),
    do: if(Keyword.keyword?(context), do: Keyword.keys(context), else: context)

  defp keys(_type), do: []

  defp check_schemas(name, mode, opts) do
    with {:ok, context} <- check_schema(name, :context, opts),
         {:ok, result} <- check_schema(name, :result, opts) do
      cond do
        {context, result} == {nil, nil} ->
          {:ok, nil}

        result != nil and mode != :chain ->
          {:error, "the hook point #{inspect(name)} runs as #{inspect(mode)}, which takes no :result"}

        true ->
          {:ok, %{context: context, result: result}}
      end
    end
  end

  defp check_schema(name, key, opts) do
    with {:error, sentence} <- Check.schema(opts[key]),
         do: {:error, "#{key}: of the hook point #{inspect(name)} is no schema: #{sentence}"}
  end

  @doc "Whether an instance with the spec checks by its schemas unless it is told."
  @spec check?(module | nil) :: boolean
  def check?(spec), do: spec != nil and spec.__check__()

  defp check_choice(name, opts, key, choices) do
    if Keyword.get(opts, key, hd(choices)) in choices,
      do: :ok,
      else:
        {:error,
         "#{key}: of the hook point #{inspect(name)} is #{Enum.map_join(choices, " or ", &inspect/1)}, got: " <>
           inspect(opts[key])}
  end

  defp check_name(name, env) do
    declared = Module.get_attribute(env.module, :pipeline_hookpoints)

    cond do
      not is_atom(name) -> {:error, "the name of a hook point is an atom, got: #{inspect(name)}"}
      List.keymember?(declared, name, 0) -> {:error, "the hook point #{inspect(name)} is declared twice"}
      true -> :ok
    end
  end

  defp check_mode(_name, mode) when is_map_key(@kinds, mode), do: {:ok, mode}

  defp check_mode(name, mode) do
    {:error,
     "unknown mode #{inspect(mode)} of the hook point #{inspect(name)}." <>
       Options.did_you_mean(mode, Map.keys(@kinds)) <> " Known: :chain, :first, :collect, :notify"}
  end

  defp check_kinds(name, mode, kinds) do
    allowed = @kinds[mode]

    if is_list(kinds) and kinds != [] and Enum.all?(kinds, &(&1 in allowed)) do
      {:ok, kinds}
    else
      {:error,
       "the hook point #{inspect(name)} runs as #{inspect(mode)}, which has the kinds " <>
         "#{Enum.map_join(allowed, ", ", &inspect/1)}; got: #{inspect(kinds)}"}
    end
  end
end
