defmodule Pipeline.InstanceCase do
  @moduledoc """
  Gives each test an instance of its own, so that tests run at the same time.

  The tag `hooks: SomeSpec` names the instance's spec, `events: [record: n]` has it record events, and `restart: [...]` says
  how its plugins are restarted. One that has failed stays so by default: it is tried again after an hour.
  """

  use ExUnit.CaseTemplate

  alias Pipeline.Plugin.Manager

  using do
    quote do
      import Pipeline.InstanceCase
      alias Pipeline.Hook
      alias Pipeline.Plugin.{Events, Error, Manager, Registry, RPC}
    end
  end

  setup context do
    name = :"#{inspect(context.module)} #{context.test}"
    restart = context[:restart] || stay_failed()

    start_supervised!(
      {Manager, name: name, hooks: context[:hooks], events: context[:events] || [], restart: restart}
    )

    {:ok, instance: name}
  end

  @doc "The option `:restart` of an instance where failed plugins stay failed for as long as a test takes."
  @spec stay_failed() :: keyword
  def stay_failed, do: [backoff: [min: 3_600_000, max: 3_600_000]]

  @doc "Compiles a plugin whose module name is unique to this call, and removes it after the test."
  defmacro plugin(opts, do: block) do
    block = Macro.escape(block)

    quote do
      name = :"Elixir.Pipeline.TestPlugin#{System.unique_integer([:positive])}"
      Pipeline.InstanceCase.define(name, unquote(opts), unquote(block), __ENV__)
      on_exit(fn -> Pipeline.InstanceCase.remove(name) end)
      name
    end
  end

  @doc false
  def define(name, opts, block, env) do
    use_plugin = quote(do: use(Pipeline.Plugin, unquote(Macro.escape(opts))))
    Module.create(name, {:__block__, [], [use_plugin, block]}, env)
  end

  @doc false
  def remove(module) do
    :code.purge(module)
    :code.delete(module)
    :code.purge(module)
  end

  @doc "Compiles a plugin that cannot be compiled and returns the message of the error."
  def compile_error(source) do
    error = catch_compile_error(source)
    Exception.message(error)
  end

  defp catch_compile_error(source) do
    Code.eval_string(source, [], file: "plugin.ex")
    ExUnit.Assertions.flunk("it compiled")
  rescue
    error in [CompileError, ArgumentError] -> error
  end
end
