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

  ## Circuits

  A hook with `circuit:` is not called for a while when it has failed too often:

      hook :before, :step, circuit: [failures: 5, window: 10_000, cool_down: 5_000, trials: 1], on_error: :skip

  `:failures` (5) within `:window` milliseconds (10,000) open it. While it is open the hook is not called: with
  `on_error: :skip` the run goes on as if it were not there, with `:halt` it returns
  `{:error, %Pipeline.Hook.Error{reason: :circuit_open}}`, with `:raise` it raises that. After `:cool_down` milliseconds
  (5,000) it is half-open: the next `:trials` (1) runs call the hook. If all of them pass it closes, if one fails it opens
  again. A trial that has not ended after a cool-down makes room for another; when it does end, it counts.

  What the hook refuses by `throw {:hook_error, reason}`, and what fails behind its `next`, are no failures of it. A run
  without the hook is counted by its circuit (`stats/2`) and not as a failure. Each change is the plugin event
  `:hook_circuit`, once; those of native hooks are told when their call is over. `reset_circuit/3` closes a circuit by hand.

  ## Modes

  A host can declare a point (`Pipeline.Hook.Spec`) with another mode than `:chain`: `:first` returns the first value
  other than `nil`, `:collect` all values in order, `:notify` calls all, drops their values and returns `:ok`.

  ## What happens there

  `stats/2` shows how often a point ran, what its hooks did and how long they took. `trace/3` shows it run by run.
  """

  alias Pipeline.Hook.{Chain, ChainStore, Circuit, Dispatch, NativeStep, Registration, Stats, Trace, Tracer}
  alias Pipeline.{Native, Options}

  @typedoc "The kind of a hook."
  @type kind :: :before | :after | :around | :replace | :listen
  @type hook_type :: kind
  @type hook_name :: atom
  @type context :: term
  @type next :: (context -> result :: term)

  @typedoc "A hook as `chain/2` describes it."
  @type hook_description :: %{
          required(:plugin) => Pipeline.Plugin.plugin_id() | nil,
          required(:point) => hook_name,
          required(:kind) => kind,
          required(:priority) => integer,
          required(:tier) => :elixir | :native,
          required(:on_error) => :halt | :skip | :raise,
          optional(:circuit) => Circuit.Settings.t(),
          optional(:native) => {library :: module, name :: atom},
          optional(:cost) => :light | :heavy | :blocking | :async,
          optional(:segment) => pos_integer
        }

  @typedoc "A hook point as `stats/2` shows it. Times are in nanoseconds."
  @type point_stats :: %{
          point: hook_name,
          mode: Pipeline.Hook.Spec.mode(),
          runs: non_neg_integer,
          failures: non_neg_integer,
          skips: non_neg_integer,
          refusals: non_neg_integer,
          answers: non_neg_integer,
          measured: non_neg_integer,
          p50_ns: non_neg_integer | nil,
          p99_ns: non_neg_integer | nil,
          hooks: [hook_stats]
        }

  @typedoc "A hook as `stats/2` shows it. Times are in nanoseconds."
  @type hook_stats :: %{
          required(:plugin) => Pipeline.Plugin.plugin_id() | nil,
          required(:point) => hook_name,
          required(:kind) => kind,
          required(:priority) => integer,
          required(:tier) => :elixir | :native,
          required(:on_error) => :halt | :skip | :raise,
          required(:fun) => atom,
          required(:runs) => non_neg_integer,
          required(:failures) => non_neg_integer,
          required(:skips) => non_neg_integer,
          required(:refusals) => non_neg_integer,
          required(:answers) => non_neg_integer,
          required(:measured) => non_neg_integer,
          required(:p50_ns) => non_neg_integer | nil,
          required(:p99_ns) => non_neg_integer | nil,
          optional(:circuit) => circuit_stats,
          optional(:native) => {library :: module, name :: atom},
          optional(:cost) => :light | :heavy | :blocking | :async,
          optional(:scheduler) => %{
            normal: non_neg_integer,
            dirty: non_neg_integer,
            moved: non_neg_integer
          }
        }

  @typedoc "The circuit of a hook as `stats/2` shows it."
  @type circuit_stats :: %{
          state: :closed | :open | :half_open,
          failures: non_neg_integer,
          opened: non_neg_integer,
          refused: non_neg_integer
        }

  @default Pipeline.Instance.default()

  @doc """
  Runs a hook point of the default instance.

      iex> Pipeline.Hook.run(:no_hooks_here, %{n: 1})
      {:ok, %{n: 1}}
  """
  @spec run(hook_name, context) :: {:ok, term} | {:error, term} | :ok
  def run(point, context), do: Dispatch.run(point, context)

  @doc """
  Runs a hook point of the default instance around a base operation.

      iex> Pipeline.Hook.run(:no_hooks_here, %{n: 1}, fn context -> context.n + 1 end)
      {:ok, 2}
  """
  @spec run(hook_name, context, next) :: {:ok, term} | {:error, term} | :ok
  def run(point, context, core) when is_atom(point) and is_function(core, 1) do
    Dispatch.run_around(point, context, core)
  end

  @doc """
  Runs a hook point of an instance: `run(point, context, core, instance: instance)`, or
  `run(instance, point, context, core)`.

  `core` is the base operation, or `nil` for none, which is all that points with the modes `:collect` and `:notify` take.
  """
  @spec run(hook_name, context, next | nil, keyword) :: {:ok, term} | {:error, term} | :ok
  @spec run(instance :: term, hook_name, context, next | nil) :: {:ok, term} | {:error, term} | :ok
  def run(instance, point, context, core) when is_atom(point) and is_function(core, 1) do
    Dispatch.run_around_of(instance, point, context, core)
  end

  def run(instance, point, context, nil) when is_atom(point), do: Dispatch.run_of(instance, point, context)

  def run(point, context, core, opts) when is_atom(point) and is_list(opts) do
    Options.validate!(opts, [:instance], "Pipeline.Hook.run/4")
    instance = Keyword.get(opts, :instance, @default)
    if core == nil, do: Dispatch.run_of(instance, point, context), else: run(instance, point, context, core)
  end

  @doc """
  The chain of a hook point as data, in the order in which it runs: around, before, replace, after.

  Each hook is a map (`t:hook_description/0`) with `:plugin`, `:point`, `:kind`, `:priority`, `:on_error` and `:tier`
  (`:elixir` or `:native`). A native hook also has `:native`, its library and name, `:cost` (`:light`, `:heavy`,
  `:blocking` or `:async`), and `:segment`, the number of the native call that it is part of; an around and a
  hook that waits have a call of their own. A hook with a circuit has the circuit's settings under `:circuit`.

  ## Options

    * `:instance` - by default the application's own
  """
  @spec chain(hook_name, keyword) :: [hook_description]
  def chain(point, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Hook.chain/2")

    case ChainStore.chain(opts[:instance] || @default, point) do
      nil -> []
      chain -> describe(chain)
    end
  end

  @doc """
  What was counted and measured of a hook point since it came to be, `nil` where nothing stands.

      iex> Pipeline.Hook.stats(:no_hooks_here)
      nil

  A map (`t:point_stats/0`) with `:point`, `:mode` and

    * `:runs` - exact; a run counts when it begins
    * `:failures` - hooks that failed, exact; those that an outer hook caught and those that were skipped too
    * `:skips` - those of them after which the run went on as if the hook were not there, exact
    * `:refusals` - hooks that threw `{:hook_error, reason}`, exact
    * `:answers` - before hooks that answered early, and listeners that returned a value
    * `:p50_ns`, `:p99_ns` - times in nanoseconds that half and 99 % of the `:measured` runs did not exceed, at most an
      eighth off; `nil` as long as none was measured
    * `:hooks` - the same of each hook (`t:hook_stats/0`), in the order of `chain/2`, with its description from there
      except `:segment`, and `:fun`, the name of its function. `:runs` are its calls; its time leaves out the time spent
      behind `next`. A native hook has the times of the native call that it is part of, or its own where its library
      measures them. It then also has `:scheduler`: how many of the calls ran on a `:normal` scheduler, on a `:dirty`
      one, or were `:moved` from one to the other

  A hook with a circuit has it as `:circuit`: its `:state` (`:closed`, `:open`, or `:half_open`; it stays `:open` until a
  run comes after the cool-down), the `:failures` that count at the moment, how often it was `:opened`, and how many runs it
  has `:refused`, all exact. These are among the `:runs` of the hook.

  Each run is counted. The first 1,024 on each scheduler after hooks have come to the point are also measured, and
  from there on about one in 512. Until then the runs and answers of each hook are exact; after that those of the runs between
  two measured ones are taken to have gone like these. What is counted of a hook stays as long as the hook does,
  whatever else is loaded and unloaded, and goes with it. Nothing is ever set back: for a rate, take differences.

  ## Options

    * `:instance` - by default the application's own
  """
  @spec stats(hook_name, keyword) :: point_stats | nil
  def stats(point, opts) when is_atom(point) do
    Options.validate!(opts, [:instance], "Pipeline.Hook.stats/2")

    with %Chain{} = chain <- ChainStore.chain(opts[:instance] || @default, point), do: Stats.of(chain)
  end

  @doc """
  The same of a point of the default instance, or, given options, of all points of an instance, as a map by name.
  """
  @spec stats(hook_name | keyword) :: point_stats | %{hook_name => point_stats} | nil
  def stats(point_or_opts \\ [])
  def stats(point) when is_atom(point) and point != [], do: stats(point, [])

  def stats(opts) do
    Options.validate!(opts, [:instance], "Pipeline.Hook.stats/1")
    instance = opts[:instance] || @default

    for point <- ChainStore.points(instance),
        %{} = stats <- [stats(point, instance: instance)],
        into: %{},
        do: {point, stats}
  end

  @doc """
  Closes the circuits of a plugin's hooks on a point, whatever they have seen.

  Returns `{:error, :no_circuit}` where none of them has one.

  ## Options

    * `:instance` - by default the application's own
  """
  @spec reset_circuit(hook_name, Pipeline.Plugin.plugin_id(), keyword) :: :ok | {:error, :no_circuit}
  def reset_circuit(point, plugin, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Hook.reset_circuit/3")
    instance = opts[:instance] || @default

    with %Chain{entries: entries} <- ChainStore.chain(instance, point),
         [_ | _] = hooks <- Enum.filter(entries, &(&1.plugin == plugin and &1.circuit != nil)) do
      Enum.each(hooks, &Circuit.reset(&1, instance))
    else
      _none -> {:error, :no_circuit}
    end
  end

  @doc """
  Traces the runs of a hook point: tells who ran, answered early, was skipped or failed, and how long it took.

      {:ok, trace} = Pipeline.Hook.trace(:execute_node, &IO.puts/1)

  A function is called with each run (`Pipeline.Hook.Trace.Run`) once that is over, in a process of the trace: a run
  neither waits for it nor fails by it. Without one, the calling process gets `{:pipeline_trace, reference, run}`
  before the run returns, with the reference of the `Pipeline.Hook.Trace`.

  A trace stays on its point while plugins come and go, and ends by itself: after `:limit` runs, after `:for`
  milliseconds, when the process that gets the runs (or, with a function, the one that started the trace) or the process
  that is traced ends, or when the function fails. `untrace/1` ends it earlier. Runs of a point without a trace cost what
  they cost without this function.

  In a run that is traced, native hooks run one by one, not fused.

  Returns `{:error, {:called_from_callback, callback}}` in a callback that the manager waits for.

  ## Options

    * `:instance` - by default the application's own
    * `:to` - a pid or a function, by default the calling process
    * `:pid` - the process whose runs are traced, or `:all`; by default the calling process
    * `:limit` - how many runs, by default 100
    * `:for` - how many milliseconds, by default 60,000
    * `:show` - how much a trace shows of the value that a run returns, which is often the context: `:keys` (default) of a
      map its keys, of a struct its module and keys, of another value atoms and numbers; a list of fields; or a function of
      the value, called in the process of the run
  """
  @spec trace(hook_name, (Trace.Run.t() -> term) | keyword, keyword) ::
          {:ok, Trace.t()} | {:error, {:called_from_callback, atom}}
  def trace(point, fun_or_opts \\ [], opts \\ [])

  def trace(point, fun, opts) when is_function(fun), do: Tracer.start(point, Keyword.put(opts, :to, fun))
  def trace(point, opts, more), do: Tracer.start(point, opts ++ more)

  @doc "Ends a trace, if it has not ended by itself. What its function has yet to be called with, it is called with before."
  @spec untrace(Trace.t()) :: :ok
  def untrace(%Trace{} = trace), do: Tracer.stop(trace)

  @doc false
  @spec describe(Chain.t()) :: [hook_description]
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
    Options.validate!(opts, [:instance], "Pipeline.Hook.points/1")
    (opts[:instance] || @default) |> ChainStore.points() |> Enum.sort()
  end

  defp show(%Registration{} = entry, nil), do: Registration.describe(entry)

  defp show(%Registration{} = entry, segment),
    do: entry |> Registration.describe() |> Map.put(:segment, segment)

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
  defp group(%Registration{call: %Native.Hook{}, kind: :replace} = entry), do: entry

  defp group(%Registration{call: %Native.Hook{library: library}, kind: kind} = entry) do
    if NativeStep.alone?(entry), do: entry, else: {kind, library}
  end

  defp group(%Registration{}), do: nil
end
