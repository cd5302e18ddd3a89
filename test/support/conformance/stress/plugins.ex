defmodule Pipeline.Conformance.Stress.Plugins do
  @moduledoc """
  Plugins in several versions, each with several hooks on several points, Elixir and native. Every hook marks what it
  sees with its plugin and its version.
  """

  alias Pipeline.Conformance.{Case, Model, Program, Stress}

  # {plugin, point, kind, priority, tier}; the priorities of a kind differ, so that the order of loading says nothing.
  @hooks [
    {:a, :one, :around, 50, :elixir},
    {:a, :one, :before, 90, :elixir},
    {:a, :one, :before, 70, :native},
    {:a, :one, :after, 50, :native},
    {:a, :two, :before, 80, :native},
    {:a, :heard, :listen, 80, :elixir},
    {:b, :one, :before, 60, :native},
    {:b, :one, :replace, 50, :elixir},
    {:b, :one, :after, 60, :elixir},
    {:b, :two, :around, 50, :elixir},
    {:b, :two, :after, 50, :elixir},
    {:b, :heard, :listen, 60, :elixir},
    {:c, :one, :before, 65, :native},
    {:c, :one, :after, 55, :native},
    {:c, :two, :before, 70, :native},
    {:c, :heard, :listen, 90, :elixir},
    {:d, :one, :around, 60, :elixir},
    {:d, :one, :before, 80, :native},
    {:d, :two, :before, 75, :elixir},
    {:d, :two, :after, 60, :native},
    {:d, :heard, :listen, 70, :elixir}
  ]

  @depends %{d: [:c]}

  @type id :: :a | :b | :c | :d
  @type version :: non_neg_integer

  @doc "A version of a plugin, compiled."
  @spec compile(id, version) :: module
  def compile(plugin, version) do
    name = :"Elixir.Pipeline.StressPlugin#{System.unique_integer([:positive])}"
    needed = for id <- Map.get(@depends, plugin, []), do: quote(do: depends_on(unquote(id)))
    own = for {^plugin, _, _, _, _} = hook <- @hooks, do: hook
    declared = for {hook, n} <- Enum.with_index(own), do: declare(hook, version, :"hook_#{n}")

    body =
      quote do
        use Pipeline.Plugin, id: unquote(plugin), hooks: unquote(Stress.Points)
        unquote_splicing(needed)
        unquote_splicing(declared)
      end

    Module.create(name, body, __ENV__)
    name
  end

  @doc "What a run of a point gives when these versions are loaded, as the model has it."
  @spec expected(atom, %{id => version}) :: term
  def expected(point, loaded) do
    case = %Case{
      name: "stress",
      mode: Stress.Points.__hookpoints__()[point].mode,
      hooks:
        for {plugin, ^point, kind, priority, _} <- @hooks, version = loaded[plugin] do
          {plugin, kind, [priority: priority], program(plugin, kind, version)}
        end,
      core: if(point != :heard, do: [{:mark, :core}]),
      expect: nil,
      calls: []
    }

    Model.run(case).result
  end

  defp program(plugin, :listen, version), do: [{:give, {plugin, version}}]
  defp program(plugin, :around, version), do: [{:mark, {plugin, version}}, :next, {:mark, {plugin, version}}]
  defp program(plugin, _kind, version), do: [{:mark, {plugin, version}}, :next]

  defp declare({plugin, point, kind, priority, :native}, version, _fun) do
    config = %{steps: program(plugin, kind, version), trail: :trail}
    opts = [native: {VmHooks, :conformance}, config: config, priority: priority]
    quote(do: hook(unquote(kind), unquote(point), unquote(Macro.escape(opts))))
  end

  defp declare({plugin, point, kind, priority, :elixir}, version, fun) do
    program = Macro.escape(program(plugin, kind, version))
    arguments = Macro.generate_arguments(Pipeline.Hook.Definition.arity(kind), __MODULE__)
    next = Enum.at(arguments, 1)

    quote do
      hook unquote(kind), unquote(point), fun: unquote(fun), priority: unquote(priority)

      def unquote(fun)(unquote_splicing(arguments)) do
        Program.run(unquote(program), unquote(hd(arguments)), unquote(next))
      end
    end
  end
end
