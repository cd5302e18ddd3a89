defmodule Pipeline.Runner do
  @moduledoc """
  A small host. It runs the nodes of a pipeline in the order of their needs, through the plugins of an
  instance.

      iex> {:ok, _id} = Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.DataTransformHandler)
      iex> nodes = [
      ...>   %{id: :shout, type: :transform, config: %{fun: &String.upcase/1}},
      ...>   %{id: :words, type: :transform, needs: [:shout], config: %{fun: &String.split/1}}
      ...> ]
      iex> {:ok, run} = Pipeline.Runner.run(nodes, "so it goes")
      iex> run.output
      ["SO", "IT", "GOES"]
      iex> Pipeline.Plugin.Manager.unload_plugin(:data_transform_handler)
      :ok

  A node is a map:

    * `:id` - any term, unique in the pipeline
    * `:type` - an atom that selects the handler: the module that a plugin provides as `:node_handler` and
      whose capability `:node_types` lists the type. Among several plugins the one loaded first wins
    * `:needs` - ids of the nodes whose results it takes, `[]` by default
    * `:config` - a map for the handler, `%{}` by default

  ## Hook points

    * `:validate_node` - for each node before the first one runs, with `%{node: node, instance: instance}`.
      The base operation calls the validators (`Pipeline.Validator`)
    * `:execute_node` - around the handler, with
      `%{node: node, input: input, results: results, instance: instance}`. The result is `{:ok, output}` or
      `{:error, reason}`
    * `:pipeline_complete` - after the last node, with the `t:run/0` and the instance
  """

  alias Pipeline.{Hook, Instance}
  alias Pipeline.Plugin.{Manager, Manifest, Registry}
  alias Pipeline.Options
  alias Pipeline.Runner.{Error, Order}

  @typedoc """
  The result of a run. `output` is the result of the last node. `timings` are microseconds per node, hooks
  included.
  """
  @type run :: %{
          output: term,
          results: %{term => term},
          timings: [%{node: term, type: atom, microseconds: non_neg_integer}]
        }

  @doc """
  Runs a pipeline on an input.

  The first error ends the run and names its node. Option: `:instance`, by default the instance that the
  application starts.
  """
  @spec run([map], term, keyword) :: {:ok, run} | {:error, Error.t()}
  def run(nodes, input, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Runner.run/3")
    instance = opts[:instance] || Instance.default()

    with {:ok, nodes} <- Order.sort(nodes),
         {:ok, handlers} <- handlers(nodes, instance),
         :ok <- validate(nodes, instance),
         {:ok, run} <- execute(nodes, handlers, input, instance) do
      complete(run, instance)
    end
  end

  defp handlers(nodes, instance) do
    each(nodes, %{}, fn node, handlers ->
      with {:ok, handler} <- handler(node, instance), do: {:ok, Map.put(handlers, node.id, handler)}
    end)
  end

  defp handler(node, instance) do
    registry = Registry.of(instance)

    registry
    |> Registry.find_by_capability(:node_types, node.type)
    |> Enum.find_value(fn id ->
      with {:ok, info} <- Registry.get(registry, id),
           {_, module, _} <- provided(info, :node_handler),
           do: {:ok, {module, info.config}}
    end)
    |> case do
      nil -> {:error, %Error{node: node.id, reason: {:no_handler, node.type}}}
      found -> found
    end
  end

  defp validate(nodes, instance) do
    with {:ok, _} <- each(nodes, nil, fn node, _ -> validate_node(node, instance) end), do: :ok
  end

  defp validate_node(node, instance) do
    core = fn context ->
      ask_validators(context.node, instance)
      context
    end

    case Hook.run(instance, :validate_node, %{node: node, instance: instance}, core) do
      {:ok, _} -> {:ok, nil}
      {:error, reason} -> {:error, %Error{node: node.id, reason: {:invalid, reason}}}
    end
  end

  # A validator refuses a node as a hook of this point would.
  defp ask_validators(node, instance) do
    for id <- Manager.get_by_capability(:validator, instance: instance),
        {:ok, info} <- [Registry.get(Registry.of(instance), id)],
        {_, module, _} <- [provided(info, :validator)] do
      with {:error, reason} <- module.validate(node, info.config), do: throw({:hook_error, reason})
    end
  end

  defp provided(info, type), do: List.keyfind(Manifest.providers(info), type, 0)

  defp execute(nodes, handlers, input, instance) do
    empty = %{results: %{}, output: input, timings: []}

    with {:ok, run} <- each(nodes, empty, &execute_node(&1, &2, handlers[&1.id], input, instance)) do
      {:ok, %{run | timings: Enum.reverse(run.timings)}}
    end
  end

  defp execute_node(node, run, {module, plugin_config}, input, instance) do
    environment = %{instance: instance, plugin_config: plugin_config, results: run.results}

    context = %{
      node: node,
      input: node_input(node.needs, input, run.results),
      results: run.results,
      instance: instance
    }

    core = fn context -> module.execute(context.node, context.input, environment) end
    started = System.monotonic_time()
    outcome = Hook.run(instance, :execute_node, context, core)
    took = System.convert_time_unit(System.monotonic_time() - started, :native, :microsecond)

    case outcome do
      {:ok, {:ok, output}} ->
        timing = %{node: node.id, type: node.type, microseconds: took}
        results = Map.put(run.results, node.id, output)
        {:ok, %{results: results, output: output, timings: [timing | run.timings]}}

      {:ok, {:error, reason}} ->
        {:error, %Error{node: node.id, reason: {:failed, reason}}}

      {:ok, other} ->
        {:error, %Error{node: node.id, reason: {:bad_result, other}}}

      {:error, reason} ->
        {:error, %Error{node: node.id, reason: {:failed, reason}}}
    end
  end

  defp node_input([], input, _results), do: input
  defp node_input([only], _input, results), do: Map.fetch!(results, only)
  defp node_input(needs, _input, results), do: Map.take(results, needs)

  defp complete(run, instance) do
    case Hook.run(instance, :pipeline_complete, Map.put(run, :instance, instance), &Function.identity/1) do
      # The host declared the point with the mode :notify.
      :ok -> {:ok, run}
      {:ok, %{} = context} -> {:ok, Map.take(context, [:results, :output, :timings])}
      {:ok, other} -> {:error, %Error{reason: {:bad_result, other}}}
      {:error, reason} -> {:error, %Error{reason: {:failed, reason}}}
    end
  end

  defp each(nodes, start, fun) do
    Enum.reduce_while(nodes, {:ok, start}, fn node, {:ok, collected} ->
      case fun.(node, collected) do
        {:ok, collected} -> {:cont, {:ok, collected}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end
end
