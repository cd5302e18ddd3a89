defmodule Pipeline.Conformance.Plugins do
  @moduledoc """
  Runs a case through plugins that are loaded into an instance whose spec is `Pipeline.Conformance.Points`.

  The hooks of one plugin stand in one module, in the order of the case. A plugin is compiled once for each tier of its
  hooks that a mixture asks for.
  """

  alias Pipeline.Conformance.{Case, Native, Observed, Points, Tiers}
  alias Pipeline.Hook
  alias Pipeline.Plugin.{Events, Error, Manager}

  @doc "What is seen of a case in each of the mixtures, with the plugins loaded and unloaded each time."
  @spec run(Case.t(), [Tiers.mixture()], atom) :: [{Tiers.mixture(), Observed.t()}]
  def run(case, mixtures, instance) do
    :ok = Events.subscribe(self(), :hook_failed, instance: instance)

    {seen, modules} =
      Enum.map_reduce(mixtures, %{}, fn mixture, modules ->
        {order, modules} = modules(case, mixture, modules)
        {{mixture, run_loaded(case, order, instance)}, modules}
      end)

    for {_, module} <- modules, do: Pipeline.InstanceCase.remove(module)
    seen
  end

  defp run_loaded(case, modules, instance) do
    core = Observed.core(case)
    seen = load(modules, instance, fn -> observe(case, core, instance) end)
    # A point without hooks is what it was.
    [] = Hook.chain(case.mode, instance: instance)
    seen
  end

  # Each is unloaded after those that came later.
  defp load([], _instance, run), do: run.()

  defp load([module | modules], instance, run) do
    case Manager.load_plugin(module, %{}, instance: instance) do
      {:ok, id} ->
        seen = load(modules, instance, run)
        :ok = Manager.unload_plugin(id, instance: instance)
        seen

      {:error, %Error{reason: {:invalid_hook, sentence}}} ->
        %{result: {:contradiction, sentence}, calls: [], reported: []}
    end
  end

  defp observe(case, core, instance) do
    Observed.run(case.mode, fn -> Hook.run(instance, case.mode, case.context, core) end)
  end

  defp modules(case, mixture, modules) do
    hooks = Enum.zip(case.hooks, mixture)

    hooks
    |> Enum.map(fn {{plugin, _, _, _}, _tier} -> plugin end)
    |> Enum.uniq()
    |> Enum.map_reduce(modules, fn plugin, modules ->
      own = for {{^plugin, _, _, _}, _tier} = hook <- hooks, do: hook
      key = {plugin, Enum.map(own, &elem(&1, 1))}
      modules = Map.put_new_lazy(modules, key, fn -> compile(plugin, own, case) end)
      {modules[key], modules}
    end)
  end

  defp compile(plugin, hooks, case) do
    name = :"Elixir.Pipeline.ConformancePlugin#{System.unique_integer([:positive])}"

    needed =
      for id <- Map.get(case.depends, plugin, []), do: quote(do: depends_on(unquote(id), optional: true))

    declared = for {hook, index} <- Enum.with_index(hooks), do: declare(hook, case.mode, :"hook_#{index}")

    body =
      quote do
        use Pipeline.Plugin, id: unquote(plugin), hooks: unquote(Points)
        unquote_splicing(needed)
        unquote_splicing(declared)
      end

    Module.create(name, body, __ENV__)
    name
  end

  defp declare({{_, kind, opts, _} = hook, :native}, point, _fun) do
    quote(do: hook(unquote(kind), unquote(point), unquote(Macro.escape(Native.options(hook) ++ opts))))
  end

  defp declare({{plugin, kind, opts, behaviour}, :elixir}, point, fun) do
    call = :erlang.term_to_binary({self(), plugin, behaviour})
    arguments = Macro.generate_arguments(Hook.Definition.arity(kind), __MODULE__)

    quote do
      hook unquote(kind), unquote(point), unquote([fun: fun] ++ opts)

      def unquote(fun)(unquote_splicing(arguments)) do
        {test, plugin, behaviour} = :erlang.binary_to_term(unquote(call))
        Observed.traced(test, plugin, behaviour, unquote_splicing(arguments))
      end
    end
  end
end
