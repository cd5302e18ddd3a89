defmodule Pipeline.Reporter do
  @moduledoc """
  Callbacks for a plugin that tell the test process of its configuration, `%{test: pid}`, that they run.
  """

  import ExUnit.Assertions

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Manager

  @doc "The callbacks that have told the test so far, in their order."
  @spec callbacks() :: [{atom, Pipeline.Plugin.plugin_id()}]
  def callbacks do
    receive do
      {callback, id, pid} when is_pid(pid) -> [{callback, id} | callbacks()]
    after
      0 -> []
    end
  end

  @doc "Nothing is left of the plugins of an instance, whose capability is `:letters`."
  @spec assert_nothing_left(term) :: true
  def assert_nothing_left(instance) do
    assert Manager.list_plugins(instance: instance) == []
    assert Manager.get_by_capability(:letters, instance: instance) == []
    assert Pipeline.Hook.points(instance: instance) == []
    assert %{active: 0} = Supervisor.count_children(Names.whereis(instance, :plugins))
    true
  end

  @doc false
  defmacro __using__(_) do
    quote do
      @impl Pipeline.Plugin
      def init(config) do
        report(config, :init)
        {:ok, config}
      end

      @impl Pipeline.Plugin
      def start(config) do
        report(config, :start)
        {:ok, config}
      end

      @impl Pipeline.Plugin
      def stop(config) do
        report(config, :stop)
        :ok
      end

      @impl Pipeline.Plugin
      def handle_rpc(:config, config), do: {:reply, config, config}

      defp report(%{test: pid}, callback), do: send(pid, {callback, __plugin__().id, self()})
      defp report(_config, _callback), do: :ok
    end
  end
end
