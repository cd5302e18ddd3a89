defmodule Pipeline.Plugin.Security do
  @moduledoc """
  What a plugin may do, by the capabilities that it declares.

      defmodule MyApp.Plugins.Formula do
        use Pipeline.Plugin, id: :formula

        capability :formulas, [:sum, :mean]
        capability :sandbox, [Enum, Integer]
      end

      true = Pipeline.Plugin.Security.check_capability(:formula, :formulas)
      {:ok, 6} = Pipeline.Plugin.Security.sandbox_call(:formula, fn -> Enum.sum([1, 2, 3]) end)

  A capability is what the plugin says of itself. It can be read before the plugin is loaded
  (`Pipeline.Plugin.Discovery`), so a host can refuse one that asks for too much; nothing in the BEAM enforces it on
  code that is loaded. `sandbox_call/3` reads the code of a function before it runs it: a check, not a wall. See
  `Pipeline.Sandbox` for what it guards against, and what not. The plugin itself is trusted code.
  """

  alias Pipeline.Options
  alias Pipeline.Plugin.{Handle, Registry}
  alias Pipeline.Sandbox

  @capability :sandbox

  @doc """
  Whether a loaded plugin has a capability, or a capability with a value: `{name, value}`.

  A value is met by itself and by a list that it is an element of. A plugin that is not loaded, or is not
  `:started`, has none. Option: `:instance`, by default the instance
  of the hook point or plugin that the calling process runs, or the application's own.
  """
  @spec check_capability(Pipeline.Plugin.plugin_id() | Handle.t(), atom | {atom, value :: term}, keyword) ::
          boolean
  def check_capability(plugin, capability, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Plugin.Security.check_capability/3")

    {plugin_id, instance} = Handle.target(plugin, opts)

    case get(plugin_id, instance) do
      %{state: :started, capabilities: capabilities} -> Enum.any?(capabilities, &meets?(&1, capability))
      _ -> false
    end
  end

  defp meets?({name, values}, {name, value}) when is_list(values), do: value in values or value == values
  defp meets?({name, value}, {name, value}), do: true
  defp meets?({name, _value}, name), do: true
  defp meets?(_has, _wanted), do: false

  @doc """
  Runs a function in a sandbox (`Pipeline.Sandbox.run/2`) that lets it call the modules which the plugin has declared
  as its capability `:sandbox`, and no others.

  A plugin that declares none may call none: its functions compute, with operators and with functions of their own
  module. The error is that of the sandbox, `{:not_loaded, id}`, or `{:not_started, id, state}`.

  ## Options

    * `:timeout`, `:max_heap` - as for the sandbox
    * `:instance` - as for `check_capability/3`
  """
  @spec sandbox_call(Pipeline.Plugin.plugin_id() | Handle.t(), (() -> value), keyword) ::
          {:ok, value}
          | {:error,
             Sandbox.reason()
             | {:not_loaded, Pipeline.Plugin.plugin_id()}
             | {:not_started, Pipeline.Plugin.plugin_id(), state :: atom}}
        when value: term
  def sandbox_call(plugin, fun, opts \\ []) when is_function(fun, 0) do
    Options.validate!(
      opts,
      [:timeout, :max_heap, :instance],
      "Pipeline.Plugin.Security.sandbox_call/3"
    )

    {plugin_id, instance} = Handle.target(plugin, opts)

    case get(plugin_id, instance) do
      nil -> {:error, {:not_loaded, plugin_id}}
      %{state: :started} = info -> Sandbox.run(fun, [{:allowed_modules, allowed(info)} | limits(opts)])
      %{state: state} -> {:error, {:not_started, plugin_id, state}}
    end
  end

  @doc """
  The modules that a plugin's sandboxed functions may call.

      iex> Pipeline.Plugin.Security.allowed_modules(%{capabilities: [formulas: [:sum], sandbox: [Enum, Integer]]})
      [Enum, Integer]
  """
  @spec allowed_modules(%{:capabilities => [Pipeline.Plugin.capability()], optional(any) => any}) :: [module]
  def allowed_modules(manifest), do: allowed(manifest)

  defp allowed(%{capabilities: capabilities}) do
    for {@capability, modules} <- capabilities, module <- List.wrap(modules), is_atom(module), do: module
  end

  defp limits(opts), do: Keyword.take(opts, [:timeout, :max_heap])

  defp get(plugin_id, instance), do: Registry.info(Registry.owned(instance), plugin_id)
end
