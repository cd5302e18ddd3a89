defmodule Pipeline.Hook.Chain do
  @moduledoc false
  # The hooks of one point in the order that the core gave them, and the closures made of them:
  #
  #     around 1 ( around 2 ( … after-chain( before-chain( replace or core ) ) … ) )
  #
  # They are made when the chain is published: native hooks are fused, time limits wrapped, and all is closed, once for
  # runs without a base operation and once for those that bring one.

  alias Pipeline.Hook.{
    Circuit,
    Closures,
    HookCounters,
    Listeners,
    Measured,
    NativeStep,
    PointCounters,
    Registration,
    Sampling,
    Segment,
    Skip,
    TimeLimit,
    Traced
  }

  alias Pipeline.Native

  defstruct [
    :point,
    :instance,
    :mode,
    :mark,
    :layers,
    :single,
    :call,
    :around,
    :runs,
    :limits,
    :sampled,
    entries: [],
    traces: [],
    declared?: false
  ]

  @type step :: (term -> term)
  @type result :: {:ok, term} | {:error, term} | :ok

  @typedoc "What tells a chain from all others, on the stack of a run."
  @type mark :: {:"$pipeline_chain", pos_integer}

  @typedoc "A chain as runs find it: what they need without looking into it."
  @type published ::
          {mark, call :: (term -> result), around :: (term, step -> result), PointCounters.t(),
           PointCounters.limits(), t}

  @typedoc "A hook, or several fused, ready to be closed around what comes next."
  @type ready :: Segment.t() | {Registration.t(), function}

  @typedoc "The parts of a chain, the innermost first; of the after hooks also the closure."
  @type layers :: [ready | {:after, [ready], step}]

  @type t :: %__MODULE__{
          point: atom,
          instance: atom | nil,
          mode: Pipeline.Hook.Spec.mode(),
          mark: mark,
          entries: [Registration.t()],
          # Of a chain that is not closed yet there is nothing of these.
          layers: layers | nil,
          # The same with each native hook by itself, for runs that are traced.
          single: layers | nil,
          call: (term -> result) | nil,
          around: (term, step -> result) | nil,
          # `nil` in a chain that belongs to no instance.
          runs: PointCounters.t() | nil,
          limits: PointCounters.limits() | nil,
          sampled: Sampling.rate(),
          traces: [Pipeline.Hook.Trace.t()],
          declared?: boolean
        }

  @doc "A chain in place of an old one, if there is one: what is counted of the point and of hooks that stay goes on."
  @spec new(atom, atom | nil, Pipeline.Hook.Spec.mode(), [Registration.t()], t | nil) :: t
  def new(point, instance, mode, entries, old \\ nil) do
    runs = if instance, do: (old && old.runs) || PointCounters.new()
    new? = old == nil or Enum.any?(entries, &(&1.tally == nil))

    %__MODULE__{
      point: point,
      instance: instance,
      mode: mode,
      mark: {:"$pipeline_chain", System.unique_integer([:positive])},
      entries: if(runs && new?, do: Enum.map(entries, &count(&1, runs)), else: entries),
      runs: runs,
      limits: if(runs, do: if(new?, do: PointCounters.limits(runs), else: old.limits)),
      sampled: Sampling.of(instance),
      declared?: old != nil and old.declared?
    }
    |> close(old)
    |> trace(if(old, do: old.traces, else: []))
  end

  defp count(%Registration{tally: nil} = entry, runs), do: %{entry | tally: HookCounters.new(runs)}
  defp count(entry, _runs), do: entry

  @doc "The chain with these traces."
  @spec trace(t, [Pipeline.Hook.Trace.t()]) :: t
  def trace(%__MODULE__{} = chain, []), do: %{chain | traces: [], single: nil}

  def trace(%__MODULE__{mode: :chain, single: nil} = chain, traces) do
    single = fn entries, kind -> Enum.flat_map(entries, &Segment.fuse([&1], kind, chain.instance)) end
    %{chain | traces: traces, single: layers(chain.entries, chain.instance, single)}
  end

  def trace(%__MODULE__{} = chain, traces), do: %{chain | traces: traces}

  @doc "Whether the point is there: one that nobody declares is as long as it has hooks."
  @spec standing?(t | nil) :: boolean
  def standing?(nil), do: false
  def standing?(%__MODULE__{} = chain), do: chain.entries != [] or chain.declared?

  @doc "The chain if it is to be kept, for its point or for a trace of it."
  @spec kept(t) :: t | nil
  def kept(%__MODULE__{} = chain), do: if(standing?(chain) or chain.traces != [], do: chain)

  @doc "The chain as runs find it. Not made by `Dispatch`, whose code is not there for long (`Epoch`)."
  @spec published(t) :: published
  def published(%__MODULE__{traces: [], sampled: nil} = chain) do
    {chain.mark, chain.call, chain.around, chain.runs, chain.limits, chain}
  end

  def published(%__MODULE__{traces: []} = chain) do
    call = fn context -> Measured.sampled(chain, context, nil) end
    around = fn context, core -> Measured.sampled(chain, context, core) end
    {chain.mark, call, around, chain.runs, chain.limits, chain}
  end

  def published(%__MODULE__{} = chain) do
    call = fn context -> Traced.run(chain, context, nil, 0) end
    around = fn context, core -> Traced.run(chain, context, core, 0) end
    {chain.mark, call, around, chain.runs, chain.limits, chain}
  end

  @doc "Runs the chain around a base operation, or around none."
  @spec run(t, term, step | nil) :: result
  def run(%__MODULE__{call: call}, context, nil), do: call.(context)
  def run(%__MODULE__{around: around}, context, core), do: around.(context, core)

  defp close(%__MODULE__{mode: :chain} = chain, old) do
    layers = layers(chain.entries, chain.instance, &fuse(&1, &2, chain.instance, standing(old)))
    call = Closures.call(layers, chain.instance)
    %{chain | layers: layers, call: call, around: Closures.around(layers, chain.instance)}
  end

  defp close(%__MODULE__{} = chain, _old) do
    call = fn context -> Listeners.run(chain, context, nil) end
    %{chain | layers: [], call: call, around: fn context, core -> Listeners.run(chain, context, core) end}
  end

  # A segment whose hooks are the same stays, with what the library has measured of it.
  defp fuse(entries, kind, instance, standing) do
    entries
    |> Segment.fuse(kind, instance)
    |> Enum.map(fn
      %Segment{entries: entries} = segment -> Map.get(standing, {kind, entries}, segment)
      %Registration{} = entry -> entry
    end)
  end

  defp standing(%__MODULE__{layers: layers}) do
    for layer <- layers,
        %Segment{} = segment <- readies(layer),
        into: %{},
        do: {{segment.phase, segment.entries}, segment}
  end

  defp standing(nil), do: %{}

  defp layers(entries, instance, fuse) do
    kinds = Enum.group_by(entries, & &1.kind)

    [around, before, replace, rest] =
      for kind <- [:around, :before, :replace, :after] do
        kinds |> Map.get(kind, []) |> fuse.(kind) |> Enum.map(&ready(&1, instance)) |> Enum.reverse()
      end

    rest = if rest == [], do: [], else: [{:after, rest, Closures.nest(rest, instance)}]
    replace ++ before ++ rest ++ around
  end

  defp ready(%Segment{} = segment, _instance), do: segment
  defp ready(%Registration{circuit: nil} = entry, instance), do: {entry, fun(entry, instance)}

  defp ready(%Registration{} = entry, instance),
    do: {entry, Circuit.wrap(entry, fun(entry, instance), instance)}

  defp fun(%Registration{call: %Native.Hook{}} = entry, _instance), do: NativeStep.fun(entry)
  defp fun(%Registration{call: fun, timeout: nil}, _instance), do: fun

  defp fun(%Registration{call: fun, timeout: timeout} = entry, instance) do
    TimeLimit.wrap(fun, timeout, entry.max_heap, instance)
  end

  @doc "The closure of a hook around what comes next."
  @spec step(ready, step, atom | nil) :: step
  def step(%Segment{} = segment, next, instance), do: Segment.step(segment, next, instance)

  def step({%Registration{on_error: :skip} = entry, fun}, next, instance),
    do: Skip.step(entry, fun, next, instance)

  def step({entry, fun}, next, instance), do: Closures.step(entry, fun, next, instance)

  @doc "The parts of a layer."
  @spec readies(ready | {:after, [ready], step}) :: [ready]
  def readies({:after, readies, _closure}), do: readies
  def readies(ready), do: [ready]

  @doc "The hooks that a closure is made of."
  @spec hooks(ready) :: [Registration.t()]
  def hooks(%Segment{entries: entries}), do: Tuple.to_list(entries)
  def hooks({%Registration{} = entry, _fun}), do: [entry]

  @doc "The same hook, telling an observer of failures that are skipped."
  @spec observe(ready, (Pipeline.Hook.Error.t() -> term), atom | nil) :: ready
  def observe(%Segment{entries: entries} = segment, observer, _instance) do
    observed = for entry <- Tuple.to_list(entries), do: %{entry | observer: observer}
    %{segment | entries: List.to_tuple(observed)}
  end

  def observe({%Registration{circuit: nil} = entry, fun}, observer, _instance),
    do: {%{entry | observer: observer}, fun}

  # Its function holds the entry too.
  def observe({%Registration{} = entry, _fun}, observer, instance),
    do: ready(%{entry | observer: observer}, instance)
end
