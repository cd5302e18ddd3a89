defmodule Pipeline.Hook do
  @moduledoc """
  Hook system for plugin integration points.

  A host runs a hook point; the plugins that have hooks there take part.

      {:ok, node} = Pipeline.Hook.run(:validate_node, %{node: node})
      {:ok, result} = Pipeline.Hook.run(:execute_node, %{node: node}, fn context -> execute(context.node) end)

  ## Kinds

  A run takes a context and a base operation (`core`, by default the identity):

      around 1 ( around 2 ( … after-chain( before-chain( replace or core ) ) … ) )

    * `:before` - called in order with the context; `next.(context)` goes on. One that returns without calling
      `next` answers early: its value is the result, later before hooks, replace and core do not run
    * `:replace` - stands in for the core. Its `next` is the next replace hook, and finally the core
    * `:after` - called in order with the result, an early answer too; `next.(result)` hands it on. Not called
      when the chain failed
    * `:around` - wraps everything inside. It may skip `next`, call it more than once, or catch what comes out
    * `:listen` - takes `(context)`; the only kind on points whose mode is not `:chain`

  ## Order

  Within a kind: higher priority first; then plugins after those they depend on; then the order in which they were
  loaded. `before:` and `after:` move a hook to just before or just after those of the named plugins and win over
  priorities. The core decides the order, see `chain/2`. A change of hooks is never seen by a run that has begun.

  ## Failures

  `on_error:` says what a failure of a hook does:

    * `:halt` (default) - the run returns `{:error, reason}` where the hook did `throw {:hook_error, reason}`, and
      `{:error, %Pipeline.Hook.Error{}}` where it raised, exited or threw something else
    * `:skip` - the run goes on as if the hook were not there. One that had called `next` yields what that gave
    * `:raise` - the failure is raised in the caller

  A failure is emitted as the plugin event `:hook_failed`, also one that an outer hook catches. A failure of the core is nobody's fault here: it is
  raised in the caller unchanged. `throw {:hook_error, reason}` refuses from anywhere in the chain, the core included.

  ## Modes

  A host can declare a point (`Pipeline.Hook.Spec`) with another mode than `:chain`: `:first` returns the first value
  other than `nil`, `:collect` all values in order, `:notify` calls all, drops their values and returns `:ok`.
  """

  alias Pipeline.Hook.{Chain, Entry, Listeners, NativeStep, Table}

  @typedoc "The kind of a hook."
  @type kind :: :before | :after | :around | :replace | :listen
  @type hook_type :: kind
  @type hook_name :: atom
  @type context :: term
  @type next :: (context -> result :: term)

  @default Pipeline.Plugin

  @doc """
  Runs a hook point of the default instance.

      iex> Pipeline.Hook.run(:no_hooks_here, %{n: 1})
      {:ok, %{n: 1}}
  """
  @spec run(hook_name, context) :: {:ok, term} | {:error, term} | :ok
  def run(point, context), do: dispatch(Table.chain(@default, point), context, nil)

  @doc """
  Runs a hook point of the default instance around a base operation.

      iex> Pipeline.Hook.run(:no_hooks_here, %{n: 1}, fn context -> context.n + 1 end)
      {:ok, 2}
  """
  @spec run(hook_name, context, next) :: {:ok, term} | {:error, term} | :ok
  def run(point, context, core) when is_atom(point) and is_function(core, 1) do
    dispatch(Table.chain(@default, point), context, core)
  end

  @doc """
  Runs a hook point of an instance around a base operation.

  `nil` stands for none, which is all that points with the modes `:collect` and `:notify` take.
  """
  @spec run(instance :: atom, hook_name, context, next | nil) :: {:ok, term} | {:error, term} | :ok
  def run(instance, point, context, core)
      when is_atom(instance) and is_atom(point) and (core == nil or is_function(core, 1)) do
    dispatch(Table.chain(instance, point), context, core)
  end

  @doc """
  The chain of a hook point as data, in the order in which it runs: around, before, replace, after.

  Each hook is a map with `:plugin`, `:kind`, `:priority` and `:tier` (`:elixir` or `:native`), a native one also
  with `:native`, its library and name, `:cost` (`:light`, `:heavy`, `:blocking` or `:async`), and `:segment`, the number
  of the native call it is part of; an around, and a hook that waits, has one of its own.

  ## Options

    * `:instance` - by default the application's own
  """
  @spec chain(hook_name, keyword) :: [map]
  def chain(point, opts \\ []) do
    Pipeline.Plugin.Suggestion.validate_options!(opts, [:instance], "Pipeline.Hook.chain/2")

    case Table.chain(opts[:instance] || @default, point) do
      nil -> []
      chain -> describe(chain)
    end
  end

  @doc false
  @spec describe(Chain.t()) :: [map]
  def describe(%Chain{entries: entries}) do
    entries |> number_segments() |> Enum.map(fn {entry, segment} -> show(entry, segment) end)
  end

  @doc """
  The points that exist on an instance: declared by its spec, or with at least one hook.

  ## Options

    * `:instance` - by default the application's own
  """
  @spec points(keyword) :: [hook_name]
  def points(opts \\ []) do
    Pipeline.Plugin.Suggestion.validate_options!(opts, [:instance], "Pipeline.Hook.points/1")
    (opts[:instance] || @default) |> Table.points() |> Enum.sort()
  end

  defp dispatch(%Chain{mode: :chain} = chain, context, core), do: Chain.run(chain, context, core)
  defp dispatch(%Chain{} = chain, context, core), do: Listeners.run(chain, context, core)
  defp dispatch(nil, context, nil), do: {:ok, context}
  defp dispatch(nil, context, core), do: Chain.run_alone(core, context)

  defp show(%Entry{} = entry, nil), do: Entry.describe(entry)
  defp show(%Entry{} = entry, segment), do: entry |> Entry.describe() |> Map.put(:segment, segment)

  # Neighbours of one kind and one library share a native call.
  defp number_segments(entries) do
    {numbered, _} =
      Enum.map_reduce(entries, {nil, 0}, fn entry, {last, number} ->
        case {group(entry), last} do
          {nil, _} -> {{entry, nil}, {nil, number}}
          {group, group} -> {{entry, number}, {group, number}}
          {group, _} -> {{entry, number + 1}, {group, number + 1}}
        end
      end)

    numbered
  end

  # Of replace hooks the first one is enough, so each is a call of its own.
  defp group(%Entry{call: {:native, _, _, _, _}, kind: :replace} = entry), do: entry

  defp group(%Entry{call: {:native, library, _, _, _}, kind: kind} = entry) do
    if NativeStep.alone?(entry), do: entry, else: {kind, library}
  end

  defp group(%Entry{}), do: nil
end
