defmodule Pipeline.Plugin.Declaration do
  @moduledoc false
  # Checks each declaration of the DSL while a plugin compiles, and builds the manifest at the end.

  alias Pipeline.Hook.{Definition, Spec}
  alias Pipeline.{Native, Options}
  alias Pipeline.Plugin.{Manifest, Restart, Shutdown}
  alias Pipeline.Plugin.Resources.Limits
  alias Pipeline.Plugin.RPC.OnError

  @options [:id, :version, :name, :description, :author, :hooks, :limits, :restart, :shutdown, :on_rpc_error]

  @spec options!(Macro.Env.t(), term) :: keyword
  def options!(env, opts) do
    check!(env, Options.check(opts, @options, "use Pipeline.Plugin"))
    id = Keyword.get(opts, :id, env.module)
    version = Keyword.get(opts, :version, "1.0.0")

    unless (is_atom(id) and id not in [nil, true, false]) or (is_binary(id) and id != "") do
      fail!(env, "the id of a plugin is an atom or a string, got: #{inspect(id)}")
    end

    unless is_binary(version) and Native.Manifest.check_version(version) == :ok do
      fail!(env, "the version of a plugin is a semantic version such as \"1.0.0\", got: #{inspect(version)}")
    end

    for key <- [:name, :description, :author], text = opts[key], not is_binary(text) do
      fail!(env, "the #{key} of a plugin is a string, got: #{inspect(text)}")
    end

    if spec = opts[:hooks], do: check_spec!(env, spec)
    limits = checked!(env, Limits.check(Keyword.get(opts, :limits, [])))
    restart = checked!(env, Restart.check(Keyword.get(opts, :restart, [])))
    shutdown = checked!(env, Shutdown.check(opts[:shutdown]))
    on_rpc_error = checked!(env, OnError.check(opts[:on_rpc_error]))
    checked = [limits: limits, restart: restart, shutdown: shutdown, on_rpc_error: on_rpc_error]
    Keyword.merge(opts, [id: id, version: version] ++ checked)
  end

  defp checked!(_env, {:ok, value}), do: value
  defp checked!(env, {:error, message}), do: fail!(env, message)

  @spec capability!(Macro.Env.t(), term, term) :: {atom, term}
  def capability!(env, name, _value) when not is_atom(name) or name == nil do
    fail!(env, "the name of a capability is an atom, got: #{inspect(name)}")
  end

  def capability!(_env, name, value), do: {name, value}

  @spec dependency!(Macro.Env.t(), term, term) :: Pipeline.Plugin.dependency()
  def dependency!(env, [{:capability, name} | opts], []), do: dependency!(env, {:capability, name}, opts)

  def dependency!(env, target, opts) do
    known = if match?({:capability, _}, target), do: [:optional], else: [:version, :optional, :rest_for_one]
    check!(env, Options.check(opts, known, "depends_on #{inspect(target)}"))

    unless is_boolean(Keyword.get(opts, :rest_for_one, false)) do
      fail!(env, "rest_for_one: is true or false, got: #{inspect(opts[:rest_for_one])}")
    end

    manifest = %{id: :any, version: "0.0.0", capabilities: [], dependencies: [{target, opts}]}

    case Manifest.check(manifest) do
      :ok -> {target, opts}
      {:error, "it depends on " <> rest} -> fail!(env, "depends_on #{rest}")
    end
  end

  @spec provides!(Macro.Env.t(), term, term, term) :: {atom, keyword}
  def provides!(env, type, module, opts) do
    check!(env, Options.check(opts, [:priority, :default], "provides #{inspect(type)}"))
    priority = Keyword.get(opts, :priority, Native.HookOrder.default_priority())

    cond do
      not is_atom(type) ->
        fail!(env, "provides takes an atom as the type, got: #{inspect(type)}")

      not is_atom(module) ->
        fail!(env, "provides takes a module, got: #{inspect(module)}")

      not Native.HookOrder.priority?(priority) ->
        fail!(env, "the priority of a provider is an integer, got: #{inspect(priority)}")

      true ->
        {type, [{:module, module} | opts]}
    end
  end

  @spec hook!(Macro.Env.t(), term, term, term, boolean) :: map
  def hook!(env, kind, point, opts, block?) do
    case Definition.check(kind, point, opts) do
      {:ok, options} ->
        if block? and options.native do
          fail!(env, "the native hook on #{inspect(point)} takes no function: leave out its do block")
        end

        if spec = Module.get_attribute(env.module, :pipeline_options)[:hooks] do
          check!(env, Spec.check(spec, point, kind))
        end

        options |> Map.put(:line, env.line) |> Map.put(:file, env.file)

      {:error, message} ->
        fail!(env, message)
    end
  end

  @doc "Called after the block of the hook that was declared last: the hook has a function now."
  @spec hook_block!(Macro.Env.t()) :: :ok
  def hook_block!(env) do
    %{kind: kind, point: point, fun: fun} = env.module |> Module.get_attribute(:pipeline_hooks) |> hd()
    names = for {name, _arity} <- Module.definitions_in(env.module), uniq: true, do: name

    # One that is private or has another arity is told of when all functions are there.
    if fun in names do
      :ok
    else
      fail!(
        env,
        "the block of the #{inspect(kind)} hook on #{inspect(point)} defines no #{fun}/#{hd(Definition.arities(kind))}." <>
          Options.did_you_mean(fun, names) <>
          " Define it there, or name the function that the hook is: fun: :name"
      )
    end
  end

  @doc "The manifest, hooks, and what else is declared, as data, and the names of hook functions that get the default body."
  @spec close!(Macro.Env.t()) :: %{
          manifest: map,
          hooks: [map],
          limits: map,
          restart: Restart.given(),
          shutdown: pos_integer,
          on_rpc_error: OnError.choice(),
          defaults: [atom]
        }
  def close!(env) do
    options = Module.get_attribute(env.module, :pipeline_options)
    hooks = declared(env, :pipeline_hooks)
    defaults = hooks |> Enum.reject(& &1.native) |> Enum.flat_map(&check_function!(env, &1))
    check_shared!(env, hooks)
    Enum.each(hooks, &check_condition!(env, &1))

    manifest = %{
      id: options[:id],
      name: options[:name] || text(options[:id]),
      version: options[:version],
      description: options[:description] || moduledoc(env),
      author: options[:author] || "Unknown",
      capabilities: declared(env, :pipeline_capabilities),
      dependencies: declared(env, :pipeline_dependencies),
      hooks: Enum.group_by(hooks, & &1.kind, & &1.point),
      spec: options[:hooks]
    }

    check!(env, Native.Manifest.check(manifest))

    %{
      manifest: manifest,
      hooks: Enum.map(hooks, &Map.drop(&1, [:line, :file])),
      limits: options[:limits],
      restart: options[:restart],
      shutdown: options[:shutdown],
      on_rpc_error: options[:on_rpc_error],
      defaults: Enum.uniq(defaults)
    }
  end

  defp check_function!(env, hook) do
    [arity | _] = arities = Definition.arities(hook.kind)
    at = %{env | line: hook.line, file: hook.file}

    others = for {name, other} <- Module.definitions_in(env.module, :def), name == hook.fun, do: other

    cond do
      Enum.any?(arities, &(&1 in others)) ->
        []

      others != [] ->
        fail!(
          at,
          "the #{inspect(hook.kind)} hook on #{inspect(hook.point)} is #{hook.fun}/#{arity}, " <>
            "#{Definition.forms(hook.kind)}, but the module defines #{hook.fun}/#{hd(others)}"
        )

      private = Enum.find(arities, &Module.defines?(env.module, {hook.fun, &1}, :defp)) ->
        fail!(at, "the hook function #{hook.fun}/#{private} is private: define it with def")

      hook.kind == :listen or hook.fun != hook.point ->
        fail!(
          at,
          "the hook on #{inspect(hook.point)} has no function: define #{hook.fun}/#{arity}, #{Definition.forms(hook.kind)}"
        )

      true ->
        [hook.fun]
    end
  end

  @doc "The name of the function that the condition of the next hook becomes."
  @spec condition_name(module) :: atom
  def condition_name(module), do: :"__when_#{length(Module.get_attribute(module, :pipeline_hooks))}__"

  defp check_condition!(env, %{when: name} = hook) when is_atom(name) and name != nil do
    unless Module.defines?(env.module, {name, 1}, :def) do
      fail!(
        %{env | line: hook.line, file: hook.file},
        "when: of the hook on #{inspect(hook.point)} names a function: define #{name}/1, called as (context)"
      )
    end
  end

  defp check_condition!(_env, _hook), do: :ok

  # Two blocks that define the same function would become its clauses, called for both hooks.
  defp check_shared!(env, hooks) do
    shared =
      hooks
      |> Enum.reject(& &1.native)
      |> Enum.group_by(&{&1.point, &1.fun})
      |> Enum.find(fn {_, hooks} -> length(hooks) > 1 end)

    with {{point, fun}, [_, second | _]} <- shared do
      fail!(
        %{env | line: second.line, file: second.file},
        "two hooks on #{inspect(point)} share the function #{fun}: give one of them another with fun: :name"
      )
    end
  end

  defp check_spec!(env, spec) do
    unless is_atom(spec) and match?({:module, _}, Code.ensure_compiled(spec)) and
             function_exported?(spec, :__hookpoints__, 0) do
      fail!(env, "hooks: takes a module that uses Pipeline.Hook.Spec, got: #{inspect(spec)}")
    end
  end

  defp declared(env, attribute), do: env.module |> Module.get_attribute(attribute) |> Enum.reverse()

  defp moduledoc(env) do
    case Module.get_attribute(env.module, :moduledoc) do
      {_line, doc} when is_binary(doc) -> String.trim(doc)
      _ -> ""
    end
  end

  defp text(id) when is_binary(id), do: id
  defp text(id), do: id |> Atom.to_string() |> String.replace_prefix("Elixir.", "")

  defp check!(_env, :ok), do: :ok
  defp check!(env, {:error, message}), do: fail!(env, message)

  defp fail!(env, message) do
    raise CompileError, file: env.file, line: env.line, description: message
  end
end
