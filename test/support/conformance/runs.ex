defmodule Pipeline.Conformance.Runs do
  @moduledoc """
  Runs a conformance case through chains alone, or through plugins that are loaded into an instance.

  Hooks and base operations tell the process that runs the case when they are called.
  """

  alias Pipeline.Conformance.Cases
  alias Pipeline.Hook
  alias Pipeline.Plugin.Manager

  @point :conformance

  @doc "The result and the calls, on `Pipeline.Hook.Manager`."
  @spec alone(Cases.t()) :: {term, [atom]}
  def alone(case) do
    test = self()

    manager =
      Enum.reduce(case.hooks, Hook.Manager.new(), fn {plugin, kind, opts, behaviour}, manager ->
        {native, opts} = Keyword.split(opts, [:native, :config])

        hook =
          if native == [],
            do: fn context, next -> traced(test, plugin, behaviour, context, next) end,
            else: {:native, native[:native], native[:config]}

        Hook.Manager.register(manager, @point, hook, [kind: kind, plugin: plugin] ++ opts)
      end)

    case case.core do
      nil -> finish(fn -> Hook.Manager.run(manager, @point, case.context) end)
      core -> finish(fn -> Hook.Manager.run(manager, @point, case.context, traced_core(core)) end)
    end
  end

  @doc "The result, the calls and the reported failures, on an instance."
  @spec loaded(Cases.t(), atom) :: {term, [atom], [{atom, atom, term}]}
  def loaded(case, instance) do
    modules = plugins(case.hooks)
    for module <- modules, do: {:ok, _} = Manager.load_plugin(module, %{}, instance: instance)
    :ok = Pipeline.Plugin.Events.subscribe(self(), :hook_failed, instance: instance)

    core = if case.core, do: traced_core(case.core), else: &Function.identity/1
    {result, calls} = finish(fn -> Hook.run(instance, @point, case.context, core) end)
    {result, calls, received_failures()}
  end

  @doc "Whether a result is the one that the case expects."
  @spec as_expected?(term, term) :: boolean
  def as_expected?({:error, %Hook.Error{} = error}, {:failed, plugin, kind, reason}) do
    expected = %Hook.Error{plugin: plugin, point: @point, kind: kind, reason: reason}
    [_ | _] = error.stacktrace
    %{error | stacktrace: []} == expected
  end

  def as_expected?(result, expected), do: result == expected

  @doc "The failures of which events are to tell."
  @spec reported(Cases.t()) :: [{atom, atom, term} | :any]
  def reported(%{reported: nil, expect: {:failed, plugin, kind, reason}}), do: [{plugin, kind, reason}]
  def reported(%{reported: nil}), do: []
  def reported(%{reported: reported}), do: reported

  # The hooks of one plugin stand in one module, in the order of the case.
  defp plugins(hooks) do
    for plugin <- hooks |> Enum.map(&elem(&1, 0)) |> Enum.uniq() do
      own = for {^plugin, _, _, _} = hook <- hooks, do: hook
      declare(plugin, Enum.with_index(own))
    end
  end

  defp declare(plugin, hooks) do
    name = :"Elixir.Pipeline.ConformancePlugin#{System.unique_integer([:positive])}"

    declared =
      for {{_, kind, opts, behaviour}, index} <- hooks do
        if behaviour do
          fun = :"hook_#{index}"
          call = :erlang.term_to_binary({self(), plugin, behaviour})

          quote do
            hook unquote(kind), unquote(@point), unquote([fun: fun] ++ opts)

            def unquote(fun)(context, next) do
              {test, plugin, behaviour} = :erlang.binary_to_term(unquote(call))
              Pipeline.Conformance.Runs.traced(test, plugin, behaviour, context, next)
            end
          end
        else
          quote(do: hook(unquote(kind), unquote(@point), unquote(Macro.escape(opts))))
        end
      end

    body =
      quote do
        use Pipeline.Plugin, id: unquote(plugin)
        unquote_splicing(declared)
      end

    Module.create(name, body, __ENV__)
    ExUnit.Callbacks.on_exit(fn -> Pipeline.InstanceCase.remove(name) end)
    name
  end

  @doc false
  def traced(test, plugin, behaviour, context, next) do
    send(test, {:called, plugin})
    behaviour.(context, next)
  end

  defp traced_core(core) do
    test = self()

    fn context ->
      send(test, {:called, :core})
      core.(context)
    end
  end

  defp finish(run) do
    result =
      try do
        run.()
      catch
        kind, reason -> {:raised, kind, reason}
      end

    {result, received_calls()}
  end

  defp received_calls do
    receive do
      {:called, plugin} -> [plugin | received_calls()]
    after
      0 -> []
    end
  end

  defp received_failures do
    receive do
      {:pipeline_event, {:plugin, :hook_failed}, %{error: %Hook.Error{point: @point} = error}} ->
        [{error.plugin, error.kind, error.reason} | received_failures()]
    after
      0 -> []
    end
  end
end
