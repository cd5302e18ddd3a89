defmodule Pipeline.Hook do
  @moduledoc """
  Runs the hook points of a host, where plugins take part.

      {:ok, node} = Pipeline.Hook.run(:validate_node, %{node: node})
      {:ok, result} = Pipeline.Hook.run(:execute_node, %{node: node}, fn context -> execute(context.node) end)

  ## Kinds

  A run takes a context and a base operation (`core`, by default the identity):

      around 1 ( around 2 ( … after-chain( before-chain( replace or core ) ) … ) )

    * `:before` - called in order with the context; `next.(context)` goes on. A hook that returns without
      calling `next` answers early: its value is the result, and later before hooks, replace and core do not
      run
    * `:replace` - runs in place of the core. Its `next` is the next replace hook, and finally the core
    * `:after` - called in order with the result, also with an early answer; `next.(result)` hands it on. Not
      called when the chain failed
    * `:around` - wraps everything inside. It may skip `next`, call it more than once, or catch its failures
    * `:listen` - called as `(context)`; the only kind on points whose mode is not `:chain`

  ## Order

  Within a kind, hooks run by priority, the highest first; then each plugin after those it depends on; then in
  the order in which the plugins were loaded. `before:` and `after:` move a hook to just before or just after
  the hooks of the named plugins and win over priorities. `chain/2` shows the order. A run that has begun sees
  no change of hooks.

  ## Failures

  `on_error:` says what a failure of a hook does:

    * `:halt` (default) - the run returns `{:error, reason}` if the hook did `throw {:hook_error, reason}`,
      and `{:error, %Pipeline.Hook.Error{}}` if it raised, exited or threw something else
    * `:skip` - the run goes on as if the hook were not there. If the hook had called `next`, its value is the
      value of `next`
    * `:raise` - the failure is raised in the caller

  Each failure of a hook is the plugin event `:hook_failed`, also if an outer hook catches it. A failure of
  the core is raised in the caller unchanged. `throw {:hook_error, reason}` refuses from anywhere in the
  chain, the core included.

  ## Circuits

  A hook with `circuit:` is not called for a while when it has failed too often:

      hook :before, :step, circuit: [failures: 5, window: 10_000, cool_down: 5_000, trials: 1], on_error: :skip

  `:failures` (5) within `:window` milliseconds (10,000) open the circuit. While it is open the hook is not
  called: with `on_error: :skip` the run goes on as if the hook were not there, with `:halt` it returns
  `{:error, %Pipeline.Hook.Error{reason: :circuit_open}}`, with `:raise` it raises that error. After
  `:cool_down` milliseconds (5,000) the circuit is half-open: the next `:trials` (1) runs call the hook. If
  all of them pass, the circuit closes. If one fails, it opens again. A trial that has not ended after a
  cool-down makes room for another; when it does end, it counts.

  A refusal (`throw {:hook_error, reason}`), and a failure behind `next`, are no failures of the hook. A run
  that the circuit refuses is counted by the circuit (`stats/2`) and not as a failure. Each change of a
  circuit is the plugin event `:hook_circuit`. Changes during a native call are emitted when the call is over.
  `reset_circuit/3` closes a circuit by hand.

  ## Modes

  A host can declare a point (`Pipeline.Hook.Spec`) with another mode than `:chain`: `:first` returns the
  first value other than `nil` (`false` is a value), `:collect` all values in order, `:notify` calls all, drops
  their values and returns `:ok`. With `tagged: true` values are `{plugin, value}`; with `concurrency: n`
  listeners run side by side.

  ## Statistics and traces

  `stats/2` shows how often a point ran, how its hooks ended and how long they took. `trace/3` shows single
  runs.
  """

  alias Pipeline.Hook.{Chain, ChainStore, Dispatch, Policy, Selection, Stats, Trace, Tracer}
  alias Pipeline.Options

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
          required(:kind) => kind | nil,
          required(:priority) => integer | nil,
          required(:tier) => :elixir | :native | nil,
          required(:on_error) => :halt | :skip | :raise | nil,
          optional(:down) => state :: atom,
          optional(:overridden) => [:priority | :on_error | :timeout | :circuit | :enabled],
          optional(:circuit) => Policy.Circuit.Settings.t(),
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
  def run(point, context) when is_atom(point), do: Dispatch.run(point, context)

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

  `core` is the base operation, or `nil` for none. Points with the modes `:collect` and `:notify` take none.

  ## Options

    * `:instance` - by default the application's own
    * `:only`, `:except` - ids of plugins: the run calls their hooks only, or all others. The chain of such a run
      is compiled once and kept, while the hooks of the point are the same. A closed point that refuses runs refuses
      these too, whichever plugin is down
  """
  @spec run(hook_name, context, next | nil, keyword) :: {:ok, term} | {:error, term} | :ok
  @spec run(instance :: term, hook_name, context, next | nil) :: {:ok, term} | {:error, term} | :ok
  def run(instance, point, context, core) when is_atom(point) and is_function(core, 1) do
    Dispatch.run_around_of(instance, point, context, core)
  end

  def run(instance, point, context, nil) when is_atom(point), do: Dispatch.run_of(instance, point, context)

  def run(point, context, core, opts)
      when is_atom(point) and is_list(opts) and (core == nil or is_function(core, 1)) do
    Options.validate!(opts, [:instance, :only, :except], "Pipeline.Hook.run/4")
    instance = Keyword.get(opts, :instance, @default)

    cond do
      selection = Selection.new!(opts) -> Dispatch.run_selected(instance, point, context, core, selection)
      core == nil -> Dispatch.run_of(instance, point, context)
      true -> run(instance, point, context, core)
    end
  end

  @doc """
  The chain of a hook point as data, in the order in which it runs: around, before, replace, after.

  Each hook is a map (`t:hook_description/0`) with `:plugin`, `:point`, `:kind`, `:priority`, `:on_error` and
  `:tier` (`:elixir` or `:native`). A native hook also has `:native`, its library and name, `:cost` (`:light`,
  `:heavy`, `:blocking` or `:async`), and `:segment`, the number of its native call in the chain. Neighbours
  share one; an around, and a hook that waits, have a call of their own. A hook with a circuit has the
  settings of it under `:circuit`. One with options of an operator
  (`Pipeline.Plugin.Manager.configure_hook/3`) has their names under `:overridden`.

  On a closed point (`fail: :closed` in `Pipeline.Hook.Spec`) the hooks of plugins that are down come first. They have
  the state of the plugin under `:down`, and are not run: a run is refused while there are some. Of a plugin whose code
  cannot be read there is one such map, in which kind, priority, tier and `on_error` are `nil`.

  ## Options

    * `:instance` - by default the application's own
  """
  @spec chain(hook_name, keyword) :: [hook_description]
  def chain(point, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Hook.chain/2")

    case ChainStore.chain(opts[:instance] || @default, point) do
      nil -> []
      chain -> Chain.describe(chain)
    end
  end

  @doc """
  The closed points of an instance whose guards are down: for each the plugins that do not run, with their state.

      iex> Pipeline.Hook.down()
      %{}

  See `fail: :closed` in `Pipeline.Hook.Spec`. The id `nil` stands for what other nodes of a cluster may have, until this
  one has asked them.

  ## Options

    * `:instance` - by default the application's own
  """
  @spec down(keyword) :: %{hook_name => %{(Pipeline.Plugin.plugin_id() | nil) => state :: atom}}
  def down(opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Hook.down/1")
    instance = opts[:instance] || @default

    for point <- ChainStore.points(instance),
        %Chain{down: down} when down != %{} <- [ChainStore.chain(instance, point)],
        into: %{},
        do: {point, Map.new(Chain.down(down), fn {id, why} -> {id, why.state} end)}
  end

  @doc """
  Returns the counts and times of a hook point since it exists, `nil` if there is no such point.

      iex> Pipeline.Hook.stats(:no_hooks_here)
      nil

  A map (`t:point_stats/0`) with `:point`, `:mode` and

    * `:runs` - exact; a run counts when it begins
    * `:failures` - failures of hooks, exact; also if an outer hook caught them or the hook was skipped
    * `:skips` - the failures after which the run went on as if the hook were not there, exact
    * `:refusals` - hooks that threw `{:hook_error, reason}`, exact
    * `:answers` - before hooks that answered early, and listeners that returned a value
    * `:p50_ns`, `:p99_ns` - median and 99th percentile of the times of the `:measured` runs in nanoseconds,
      at most an eighth off; `nil` if none was measured
    * `:hooks` - the same for each hook (`t:hook_stats/0`), in the order of `chain/2`, with its description
      from there except `:segment`, and `:fun`, the name of its function. `:runs` are its calls. Its time
      leaves out the time behind `next`. A native hook has the times of its native call, or its own if its
      library measures them. It then also has `:scheduler`: how many of the calls ran on a `:normal`
      scheduler, on a `:dirty` one, or were `:moved` from one to the other

  A hook with a circuit has it as `:circuit`: its `:state` (`:closed`, `:open`, or `:half_open`; it stays
  `:open` until the first run after the cool-down), the `:failures` that count at the moment, how often it was
  `:opened`, and how many runs it has `:refused`, all exact. Refused runs are among the `:runs` of the hook.

  Each run is counted. The first 1,024 on each scheduler after hooks have come to the point are also measured,
  and after that about one in 512. While all runs are measured, the runs and answers of each hook are exact.
  Later they are estimated from the measured runs. The counts of a hook last as long as the hook. They are
  never reset: for a rate, take differences.

  ## Options

    * `:instance` - by default the application's own
  """
  @spec stats(hook_name, keyword) :: point_stats | nil
  def stats(point, opts) when is_atom(point) do
    Options.validate!(opts, [:instance], "Pipeline.Hook.stats/2")

    with %Chain{} = chain <- ChainStore.chain(opts[:instance] || @default, point), do: Stats.of(chain)
  end

  @doc """
  Returns the same for a point of the default instance or, given options, for all points of an instance by
  name.
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
  Closes the circuits of a plugin's hooks on a point.

  Returns `{:error, :no_circuit}` if none of them has one.

  ## Options

    * `:instance` - by default the application's own
  """
  @spec reset_circuit(hook_name, Pipeline.Plugin.plugin_id(), keyword) :: :ok | {:error, :no_circuit}
  def reset_circuit(point, plugin, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Hook.reset_circuit/3")
    instance = opts[:instance] || @default

    with %Chain{registrations: registrations} <- ChainStore.chain(instance, point),
         [_ | _] = hooks <-
           Enum.filter(registrations, &match?(%{plugin: ^plugin, policies: %{circuit: _}}, &1)) do
      Enum.each(hooks, &Policy.Circuit.reset/1)
    else
      _none -> {:error, :no_circuit}
    end
  end

  @doc """
  Traces the runs of a hook point: each call, how it ended, and how long it took.

      {:ok, trace} = Pipeline.Hook.trace(:execute_node, &IO.puts/1)

  A function is called with each run (`Pipeline.Hook.Trace.Run`) after its end, in a process of the trace: no
  run waits for it, or fails with it. Without a function, the calling process gets `{:pipeline_trace,
  reference, run}` before the run returns, with the reference of the `Pipeline.Hook.Trace`.

  A trace stays on its point while plugins come and go, and ends by itself: after `:limit` runs, after `:for`
  milliseconds, when the process that gets the runs (or, with a function, the one that started the trace) or
  the process that is traced ends, or when the function fails. `untrace/1` ends it earlier. A trace costs the
  runs of other points nothing.

  A traced run calls native hooks one by one, not fused.

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

  @doc "Ends a trace, if it has not ended by itself. Before that its function is called with the runs that wait for it."
  @spec untrace(Trace.t()) :: :ok
  def untrace(%Trace{} = trace), do: Tracer.stop(trace)

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
end
