defmodule Pipeline.Plugin.Test do
  @moduledoc """
  A test kit for plugins.

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

  Each test has its own instance, which ends with the test, so tests can be `async: true`. The functions of
  `Pipeline.Plugin.Manager` and `Pipeline.Runner` take it as `instance: instance`.

  `use Pipeline.Plugin.Test` imports the functions and the macro, as `import` does.

  ## Options

  `test_plugin/3`, `start_plugin/2` and `load_error/2` take

    * `:config` - the configuration of the plugin, by default `%{}`
    * `:with` - other plugins to load with it, each a module or `{module, config}`, in any order
    * `:hooks` - the `Pipeline.Hook.Spec` of the instance
  """

  alias Pipeline.Hook
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Error, Manager, RPC}
  alias Pipeline.Options

  # ExUnit is present when a test runs, but an application that runs plugins need not have it.
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
  Runs each test of the block with the plugin loaded into a new instance.

  The macro expands to a `describe` with a `setup`. The block can hold another `setup`, but no `describe`; to
  use one, call `start_plugin/2` in its `setup`. The context of a test holds the values that `start_plugin/2`
  returns.
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

  # The options are part of the title, so that one plugin can be tested with several configurations.
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
  Starts an instance for the calling test and loads the plugin into it. Returns

    * `:instance` - the name of the instance
    * `:manager` - the pid of its supervisor
    * `:plugin` - the id of the plugin

  If the plugin cannot be loaded, the test fails with its `Pipeline.Plugin.Error`.

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

  @doc "Returns the error of loading a plugin. Fails the test if it can be loaded."
  @spec load_error(module, keyword) :: Error.t()
  def load_error(plugin, opts \\ []) do
    {instance, _manager} = start_instance(opts, "load_error/2")

    case load(plugin, opts, instance) do
      {:error, error} ->
        error

      {:ok, ids} ->
        raise ExUnit.AssertionError,
          message: "#{inspect(plugin)} was expected to be refused, but loaded: #{inspect(ids)}"
    end
  end

  @doc "Runs a hook point, with an optional base operation, as `Pipeline.Hook.run/4` does."
  @spec run_hook(atom, Hook.hook_name(), Hook.context(), Hook.next()) :: {:ok, term} | {:error, term} | :ok
  def run_hook(instance, point, context, core \\ &Function.identity/1) do
    Hook.run(instance, point, context, core)
  end

  @doc """
  Returns the kinds and plugins of a hook point's chain, in the order of their run.

      assert hook_chain(instance, :execute_node) == [around: :telemetry, before: :greeter]

  `Pipeline.Hook.chain/2` returns more of each hook.
  """
  @spec hook_chain(atom, Hook.hook_name()) :: [{Hook.kind(), Plugin.plugin_id()}]
  def hook_chain(instance, point) do
    for hook <- Hook.chain(point, instance: instance), do: {hook.kind, hook.plugin}
  end

  @doc "Calls a plugin of the instance, as `Pipeline.Plugin.RPC.call/4` does."
  @spec call_plugin(atom, Plugin.plugin_id(), term) :: {:ok, term} | {:error, term}
  def call_plugin(instance, plugin, request), do: RPC.call(plugin, request, 5000, instance: instance)

  defp start_instance(opts, function) do
    Options.validate!(opts, @options, "Pipeline.Plugin.Test." <> function)

    # One atom for each test.
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
