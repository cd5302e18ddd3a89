defmodule Pipeline.Plugin.Test do
  @moduledoc """
  Test kit for authors of plugins.

      defmodule MyApp.Plugins.GreeterTest do
        use ExUnit.Case, async: true
        use Pipeline.Plugin.Test

        test_plugin MyApp.Plugins.Greeter, config: %{language: :en}, with: [MyApp.Plugins.Names] do
          test "greets", %{instance: instance} do
            assert {:ok, %{greeting: "Hello"}} = run_hook(instance, :execute_node, %{})
          end
        end

        test "refuses a language that it does not speak" do
          assert %{step: :init} = load_error(MyApp.Plugins.Greeter, config: %{language: :tlh})
        end
      end

  Each test has an instance of its own, which ends with the test, so that tests run at the same time. Any function of
  `Pipeline.Plugin.Manager` and `Pipeline.Runner` takes it as `instance: instance`.

  `use Pipeline.Plugin.Test` imports the functions and the macro; `import` does the same.

  ## Options

  `test_plugin/3`, `start_plugin/2` and `load_error/2` take

    * `:config` - the configuration that the plugin is loaded with, by default `%{}`
    * `:with` - other plugins to load along with it, each a module or `{module, config}`. They are put in order by what
      depends on what
    * `:hooks` - the `Pipeline.Hook.Spec` of the instance
  """

  alias Pipeline.Hook
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Error, Manager, RPC}
  alias Pipeline.Options

  # ExUnit is there when a test runs; an application that only runs plugins need not have it.
  @compile {:no_warn_undefined, [ExUnit.Callbacks, ExUnit.AssertionError]}

  @options [:config, :with, :hooks]

  @doc false
  defmacro __using__(opts) do
    if opts != [] do
      raise ArgumentError,
            "use Pipeline.Plugin.Test takes no options; async: true belongs to use ExUnit.Case"
    end

    quote do: import(Pipeline.Plugin.Test)
  end

  @doc """
  Runs the tests in the block each with the plugin loaded into an instance of its own.

  It is a `describe` with a `setup`, so the block can hold another `setup`, but no `describe`; there, call
  `start_plugin/2` in the `setup` instead. The context of a test has what `start_plugin/2` returns.
  """
  defmacro test_plugin(plugin, opts \\ [], do: block) do
    quote do
      describe unquote(title(plugin, opts)) do
        setup do
          Pipeline.Plugin.Test.start_plugin(unquote(plugin), unquote(opts))
        end

        unquote(block)
      end
    end
  end

  # One plugin can be tested with several configurations.
  defp title(plugin, opts) do
    [plugin | List.wrap(opts)]
    |> Enum.map_join(", ", fn
      {key, value} when is_atom(key) -> "#{key}: #{Macro.to_string(value)}"
      other -> Macro.to_string(other)
    end)
    |> String.replace(~r/\s+/, " ")
    |> String.slice(0, 120)
  end

  @doc """
  Starts an instance for the test that calls, loads the plugin into it and returns

    * `:instance` - the name of the instance
    * `:manager` - the pid of its supervisor
    * `:plugin` - the id of the plugin

  A plugin that cannot be loaded fails the test with its `Pipeline.Plugin.Error`.

      setup do: start_plugin(MyApp.Plugins.Greeter, with: [MyApp.Plugins.Names])
  """
  @spec start_plugin(module, keyword) :: [
          instance: atom,
          manager: pid,
          plugin: Plugin.plugin_id()
        ]
  def start_plugin(plugin, opts \\ []) do
    {instance, manager} = start_instance(opts, "start_plugin/2")

    case load(plugin, opts, instance) do
      {:ok, _ids} -> [instance: instance, manager: manager, plugin: plugin.__plugin__().id]
      {:error, error} -> raise error
    end
  end

  @doc "The error with which a plugin is refused; fails the test if it is loaded."
  @spec load_error(module, keyword) :: Error.t()
  def load_error(plugin, opts \\ []) do
    {instance, _manager} = start_instance(opts, "load_error/2")

    case load(plugin, opts, instance) do
      {:error, error} ->
        error

      {:ok, ids} ->
        raise ExUnit.AssertionError,
          message: "#{inspect(plugin)} should have been refused, loaded: #{inspect(ids)}"
    end
  end

  @doc "Runs a hook point, around a base operation if one is given: `Pipeline.Hook.run/4`."
  @spec run_hook(atom, Hook.hook_name(), Hook.context(), Hook.next()) :: {:ok, term} | {:error, term} | :ok
  def run_hook(instance, point, context, core \\ &Function.identity/1) do
    Hook.run(instance, point, context, core)
  end

  @doc """
  The chain of a hook point, in the order in which it runs, as kinds and plugins.

      assert hook_chain(instance, :execute_node) == [around: :telemetry, before: :greeter]

  `Pipeline.Hook.chain/2` tells more of each.
  """
  @spec hook_chain(atom, Hook.hook_name()) :: [{Hook.kind(), Plugin.plugin_id()}]
  def hook_chain(instance, point) do
    for hook <- Hook.chain(point, instance: instance), do: {hook.kind, hook.plugin}
  end

  @doc "Calls a plugin of the instance: `Pipeline.Plugin.RPC.call/4`."
  @spec call_plugin(atom, Plugin.plugin_id(), term) :: {:ok, term} | {:error, term}
  def call_plugin(instance, plugin, request), do: RPC.call(plugin, request, 5000, instance: instance)

  defp start_instance(opts, function) do
    Options.validate!(opts, @options, "Pipeline.Plugin.Test." <> function)

    # As many atoms as tests.
    instance = :"Pipeline.Plugin.Test.#{System.unique_integer([:positive])}"
    manager = ExUnit.Callbacks.start_supervised!({Manager, name: instance, hooks: opts[:hooks]})
    {instance, manager}
  end

  defp load(plugin, opts, instance) do
    Manager.load_plugins(Keyword.get(opts, :with, []) ++ [{plugin, Keyword.get(opts, :config, %{})}],
      instance: instance
    )
  end
end
