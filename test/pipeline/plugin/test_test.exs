defmodule Pipeline.Plugin.TestTest do
  use ExUnit.Case, async: true
  use Pipeline.Plugin.Test

  alias Pipeline.Plugin.Manager

  defmodule Names do
    use Pipeline.Plugin, id: :names, version: "2.1.0"

    hook :around, :greet do
      def greet(context, next), do: next.(Map.put_new(context, :name, "Ada"))
    end
  end

  defmodule Spec do
    use Pipeline.Hook.Spec
    hookpoint :greet, kinds: [:before, :around]
  end

  defmodule Greeter do
    use Pipeline.Plugin, id: :greeter

    depends_on :names, version: "~> 2.0", optional: true

    hook :before, :greet do
      def greet(context, next), do: next.(Map.put(context, :greeting, "Hello"))
    end

    @impl Pipeline.Plugin
    def init(%{language: :tlh}), do: {:error, :not_spoken}
    def init(config), do: {:ok, config}

    @impl Pipeline.Plugin
    def handle_rpc(:config, config), do: {:reply, config, config}
    def handle_rpc(:crash, _config), do: exit(:kaput)
  end

  defmodule Needy do
    use Pipeline.Plugin, id: :needy
    depends_on :names
  end

  test_plugin Greeter do
    test "loads the plugin into a running instance", %{instance: instance, manager: manager, plugin: plugin} do
      assert plugin == :greeter
      assert Process.alive?(manager)
      assert [%{id: :greeter, state: :started, config: config}] = Manager.list_plugins(instance: instance)
      assert config == %{}
      assert Manager.plugin_info(:greeter) == :error
    end

    test "runs a hook point, with and without a base operation", %{instance: instance} do
      assert run_hook(instance, :greet, %{}) == {:ok, %{greeting: "Hello"}}
      assert run_hook(instance, :greet, %{}, &Map.keys/1) == {:ok, [:greeting]}
      assert run_hook(instance, :nothing_here, 1) == {:ok, 1}
    end
  end

  test_plugin Greeter, config: %{language: :en}, with: [Names], hooks: Spec do
    setup %{instance: instance} do
      {:ok, chain: hook_chain(instance, :greet)}
    end

    test "loads the other plugins too and gives the configuration", %{instance: instance, plugin: plugin} do
      assert plugin == :greeter
      assert Enum.map(Manager.list_plugins(instance: instance), & &1.id) == [:names, :greeter]
      assert call_plugin(instance, plugin, :config) == {:ok, %{language: :en}}
      assert run_hook(instance, :greet, %{}) == {:ok, %{greeting: "Hello", name: "Ada"}}
    end

    test "goes with a setup of one's own; the chain is in the order of the run", %{chain: chain} do
      assert chain == [around: :names, before: :greeter]
    end

    test "gives the instance the spec", %{instance: instance} do
      assert Pipeline.Hook.points(instance: instance) == [:greet]
    end
  end

  describe "start_plugin/2" do
    setup do: start_plugin(Needy, with: [Names])

    test "serves as a setup", %{instance: instance, plugin: :needy} do
      assert [%{id: :names}, %{id: :needy}] = Manager.list_plugins(instance: instance)
    end

    test "gives each call an instance of its own", %{instance: first} do
      second = start_plugin(Greeter)[:instance]
      assert first != second
      assert Manager.plugin_info(:needy, instance: second) == :error
    end

    test "stands under the test's supervisor, which ends it with the test", %{manager: manager} do
      {:ok, supervisor} = ExUnit.fetch_test_supervisor()
      assert manager in for({_, pid, _, _} <- Supervisor.which_children(supervisor), do: pid)
    end

    test "fails the test with the error of the plugin" do
      error = assert_raise Pipeline.Plugin.Error, fn -> start_plugin(Needy) end
      assert Exception.message(error) =~ "names"
    end

    test "refuses options that it does not know" do
      assert_raise ArgumentError, ~r/unknown option :confg.*Did you mean :config\?/, fn ->
        start_plugin(Greeter, confg: %{})
      end
    end
  end

  describe "load_error/2" do
    test "returns the error" do
      assert %{step: :init, reason: :not_spoken} = load_error(Greeter, config: %{language: :tlh})
      assert %{step: :resolve} = load_error(Needy)
    end

    test "fails the test if the plugin is loaded" do
      assert_raise ExUnit.AssertionError,
                   ~r/Greeter was expected to be refused, but loaded: \[:greeter\]/,
                   fn ->
                     load_error(Greeter)
                   end
    end
  end

  test "call_plugin/3 returns failures as values" do
    [instance: instance, manager: _, plugin: plugin] = start_plugin(Greeter)
    assert {:error, {:rpc_failed, :greeter, :kaput}} = call_plugin(instance, plugin, :crash)
  end

  test "use refuses options" do
    assert_raise ArgumentError, ~r/async: true belongs to use ExUnit.Case/, fn ->
      Code.eval_string("use Pipeline.Plugin.Test, async: true")
    end
  end
end
