defmodule Pipeline.Hook.Manager do
  @moduledoc """
  Manages hook registration and execution, without plugins.

  A manager is a value: registering returns a new one. The order and the rules are those of `Pipeline.Hook`.

      iex> manager =
      ...>   Pipeline.Hook.Manager.new()
      ...>   |> Pipeline.Hook.Manager.register(:total, fn order, next -> next.(order * 2) end)
      ...>   |> Pipeline.Hook.Manager.register(:total, fn total, next -> next.(total + 1) end, kind: :after)
      iex> Pipeline.Hook.Manager.run(manager, :total, 10)
      {:ok, 21}
  """

  alias Pipeline.Native
  alias Pipeline.Hook.{Chain, ChainUpdate, Compiler, Definition, Registration}

  defstruct chains: %{}, count: 0

  @opaque t :: %__MODULE__{chains: ChainUpdate.t(), count: non_neg_integer}

  @doc "A manager without hooks."
  @spec new() :: t
  def new, do: %__MODULE__{}

  @doc """
  Registers a hook: a function `(context, next)`, or `{:native, name, config}` for a native one.

  Options are those of `Pipeline.Plugin.DSL.hook/3` and

    * `:kind` - by default `:before`
    * `:plugin` - the plugin that the hook belongs to, for `before:`, `after:` and errors

  Raises `ArgumentError` for options that do not fit, for a configuration that a native hook refuses, and for
  constraints that contradict each other.
  """
  @spec register(t, Pipeline.Hook.hook_name(), function | {:native, atom | {module, atom}, map}, keyword) :: t
  def register(%__MODULE__{} = manager, point, hook, opts \\ []) do
    {own, opts} = Keyword.split(opts, [:kind, :plugin])
    kind = Keyword.get(own, :kind, :before)

    registration =
      case hook do
        {:native, name, config} ->
          options = options!(kind, point, [native: name, config: config] ++ opts)
          Registration.new(options, own[:plugin], manager.count, native!(options))

        fun when is_function(fun) ->
          options = options!(kind, point, opts)
          Registration.new(options, own[:plugin], manager.count, check_arity!(fun, kind))
      end

    case ChainUpdate.add(manager.chains, fn _none -> nil end, nil, [registration], %{}, []) do
      {:ok, chains} -> %{manager | chains: chains, count: manager.count + 1}
      {:error, message} -> raise ArgumentError, message
    end
  end

  @doc "Runs a hook point, by default with the identity as its base operation."
  @spec run(t, Pipeline.Hook.hook_name(), Pipeline.Hook.context(), Pipeline.Hook.next()) ::
          {:ok, term} | {:error, term}
  def run(%__MODULE__{chains: chains}, point, context, core \\ &Function.identity/1) do
    case chains do
      %{^point => chain} -> Chain.run(chain, context, if(core !== (&Function.identity/1), do: core))
      %{} -> Compiler.alone(context, core)
    end
  end

  @doc """
  Runs one hook alone, to try it out: a function, or `{:native, name, config}`.

  Options are those of `register/4`, and `:core`, the base operation, by default the identity.

      iex> Pipeline.Hook.Manager.run_hook({:native, :increment, %{field: :n}}, %{n: 1})
      {:ok, %{n: 2}}
      iex> Pipeline.Hook.Manager.run_hook(fn n, next -> next.(n + 1) end, 1, kind: :after, core: &(&1 * 10))
      {:ok, 11}
  """
  @spec run_hook(function | {:native, atom | {module, atom}, map}, Pipeline.Hook.context(), keyword) ::
          {:ok, term} | {:error, term}
  def run_hook(hook, context, opts \\ []) do
    {core, opts} = Keyword.pop(opts, :core, &Function.identity/1)
    new() |> register(:hook, hook, opts) |> run(:hook, context, core)
  end

  defp options!(kind, point, opts) do
    case Definition.check(kind, point, opts) do
      {:ok, %{when: name}} when is_atom(name) and name != nil ->
        raise ArgumentError, "when: is a function or a map of fields here, got: #{inspect(name)}"

      {:ok, options} ->
        options

      {:error, message} ->
        raise ArgumentError, message
    end
  end

  defp native!(options) do
    case Native.Hook.configure(options) do
      {:ok, call} -> call
      {:error, message} -> raise ArgumentError, message
    end
  end

  defp check_arity!(fun, kind) do
    if is_function(fun, Definition.arity(kind)) do
      fun
    else
      raise ArgumentError, "a #{inspect(kind)} hook is #{Definition.form(kind)}, got: #{inspect(fun)}"
    end
  end
end
