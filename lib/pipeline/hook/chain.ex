defmodule Pipeline.Hook.Chain do
  @moduledoc false
  # The hooks of one point in the order that the core gave them, and the closures that they are compiled into.

  alias Pipeline.Hook.Policy.Check

  alias Pipeline.Hook.{
    Compiler,
    Drain,
    Error,
    HookCounters,
    Listeners,
    PointCounters,
    Registration,
    Sampling,
    Segment,
    Spec
  }

  @enforce_keys [
    :point,
    :instance,
    :mode,
    :listening,
    :registrations,
    :stages,
    :call,
    :around,
    :counters,
    :new?
  ]
  defstruct @enforce_keys ++
              [
                :drain,
                :sampled,
                :refusal,
                :schemas,
                earlier: [],
                begun: 0,
                single: [],
                traces: [],
                declared?: false,
                required?: false,
                down: %{}
              ]

  @type result :: Compiler.result() | :ok

  @typedoc "A plugin that has hooks on a closed point and does not run: why, and its hooks there, if they are known."
  @type down :: %{
          required(:state) => atom,
          required(:module) => module | nil,
          required(:hooks) => [absent],
          # The plugin, where that is not what it stands under.
          optional(:id) => Pipeline.Plugin.plugin_id() | nil
        }
  @typedoc "A plugin, or what the store or other nodes of the cluster have under an id, `nil` if it is not known what."
  @type down_key ::
          Pipeline.Plugin.plugin_id() | {:not_synced | :stored, Pipeline.Plugin.plugin_id() | nil}

  @type absent :: %{
          kind: Pipeline.Hook.kind(),
          priority: integer,
          on_error: :halt | :skip | :raise,
          tier: :elixir | :native
        }

  @type t :: %__MODULE__{
          point: atom,
          instance: atom | nil,
          mode: Spec.mode(),
          listening: Spec.listening(),
          registrations: [Registration.t()],
          stages: [Compiler.stage()],
          # The same with each native hook in a stage of its own, for runs that are traced.
          single: [Compiler.stage()],
          call: (term -> result),
          around: (term, Compiler.step() -> result),
          # `nil` in a chain that belongs to no instance.
          counters: PointCounters.t() | nil,
          # The runs on this version; those on earlier versions that may still have some, with the plugins of
          # their hooks; and the number of runs that began on versions before those.
          drain: Drain.t() | nil,
          earlier: [{Drain.t(), [Pipeline.Plugin.plugin_id()]}],
          begun: non_neg_integer,
          # Whether it has hooks that no published version has had.
          new?: boolean,
          sampled: Sampling.rate(),
          traces: [Pipeline.Hook.Trace.t()],
          declared?: boolean,
          # Whether runs without hooks are refused.
          required?: boolean,
          # By which runs and hooks are checked, if they are.
          schemas: Check.schemas() | nil,
          # While there are some, runs are refused.
          down: %{down_key => down},
          # What each run returns, where none may take place.
          refusal: nil | {:error, term}
        }

  @doc """
  A chain of these hooks, in place of an old one if there is one.

  The counters of the point, and of hooks that stay, go on. So do the options for listeners, unless others are
  given.
  """
  @spec new(atom, atom | nil, Spec.mode(), [Registration.t()], t | nil, Spec.listening() | nil) :: t
  def new(point, instance, mode, registrations, old \\ nil, listening \\ nil) do
    listening = listening || if(old, do: old.listening, else: Spec.listening(nil, point))
    counters = if instance, do: (old && old.counters) || PointCounters.new()
    new? = Enum.any?(registrations, &(&1.counters == nil))
    begun = if old, do: begun(old), else: 0

    registrations =
      if counters && new?,
        do: Enum.map(registrations, &join(&1, instance, counters, begun, old && old.schemas)),
        else: registrations

    stages = registrations |> Compiler.stages() |> keep(old)

    trace(
      %__MODULE__{
        point: point,
        instance: instance,
        mode: mode,
        listening: listening,
        registrations: registrations,
        stages: stages,
        call: nil,
        around: nil,
        counters: counters,
        sampled: Sampling.of(instance),
        new?: old == nil or old.new? or new?
      }
      |> follow(old)
      |> compile(),
      if(old, do: old.traces, else: [])
    )
  end

  @doc "An empty chain of a point as a spec declares it."
  @spec declared(atom, term, Spec.hookpoint(), check? :: boolean, %{down_key => down}) :: t
  def declared(point, instance, %{mode: mode, listening: listening} = declaration, check?, down) do
    chain = new(point, instance, mode, [], nil, listening)
    schemas = if check?, do: declaration.schemas
    compile(%{chain | declared?: true, required?: declaration.required, schemas: schemas, down: down})
  end

  @doc "The chain with a plugin that is down, or that is no longer."
  @spec put_down(t, down_key, down | nil) :: t
  def put_down(%__MODULE__{down: down} = chain, id, nil), do: compile(%{chain | down: Map.delete(down, id)})
  def put_down(%__MODULE__{down: down} = chain, id, why), do: compile(%{chain | down: Map.put(down, id, why)})

  @doc "The same version with some of its hooks."
  @spec select(t, (Registration.t() -> boolean)) :: t
  def select(%__MODULE__{} = chain, selected?) do
    registrations = Enum.filter(chain.registrations, selected?)
    stages = registrations |> Compiler.stages() |> keep(chain)
    # Those that are down stay: no selection passes a guard that cannot be asked.
    selected = compile(%{chain | registrations: registrations, stages: stages})
    trace(%{selected | traces: []}, chain.traces)
  end

  @followed [:drain, :earlier, :begun, :declared?, :required?, :schemas, :down]

  defp follow(chain, nil), do: chain
  defp follow(chain, old), do: Map.merge(chain, Map.take(old, @followed))

  defp join(%Registration{counters: nil} = hook, instance, counters, begun, schemas),
    do: %{
      hook
      | instance: instance,
        handle: hook.handle && %{hook.handle | instance: instance},
        policies: if(schemas, do: Map.put(hook.policies, :check, schemas), else: hook.policies),
        counters: HookCounters.new(counters, begun)
    }

  defp join(hook, _instance, _counters, _begun, _schemas), do: hook

  # A segment whose hooks are the same stays, with the statistics that its library has of it.
  defp keep(stages, nil), do: stages

  defp keep(stages, old) do
    segments = for %Segment{} = segment <- old.stages, into: %{}, do: {segment.hooks, segment}

    Enum.map(stages, fn
      %Segment{hooks: hooks} = segment -> Map.get(segments, hooks, segment)
      hook -> hook
    end)
  end

  defp compile(chain) do
    chain = %{chain | refusal: refusal(chain)}
    {call, around} = closures(chain)
    %{chain | call: call, around: around}
  end

  defp closures(%{refusal: {:error, _} = refusal, counters: counters}),
    do: {fn _context -> refuse(refusal, counters) end, fn _context, _core -> refuse(refusal, counters) end}

  defp closures(%{schemas: %{context: schema}, point: point} = chain) when schema != nil do
    {call, around} = closures(%{chain | schemas: nil})

    {&call.(fitting!(&1, schema, point)), &around.(fitting!(&1, schema, point), &2)}
  end

  defp closures(%{mode: :chain, stages: stages}), do: {Compiler.call(stages), Compiler.around(stages)}

  defp closures(%{stages: stages} = point) do
    run = Listeners.compile(point, stages)
    {&run.(&1, nil), run}
  end

  # What is wrong with it is the caller's fault, and no hook's.
  defp fitting!(context, schema, point) do
    case Check.problems(context, schema) do
      [] ->
        context

      problems ->
        raise ArgumentError,
              "the context of this run of #{inspect(point)} does not fit its spec: #{Enum.join(problems, "; ")}"
    end
  end

  defp refusal(%{down: down, point: point}) when down != %{} do
    {id, %{hooks: hooks, state: state}} = down |> Enum.min_by(fn {key, _why} -> key end) |> named()
    kind = with [%{kind: kind} | _] <- hooks, do: kind, else: ([] -> nil)
    {:error, %Error{plugin: id, point: point, kind: kind, reason: {:plugin_down, id, state}}}
  end

  defp refusal(%{required?: true, registrations: [], point: point}), do: {:error, {:no_hook, point}}
  defp refusal(_chain), do: nil

  defp refuse(refusal, counters) do
    PointCounters.failed(counters)
    refusal
  end

  @doc "The chain with these traces."
  @spec trace(t, [Pipeline.Hook.Trace.t()]) :: t
  def trace(%__MODULE__{} = chain, []), do: %{chain | traces: [], single: []}
  def trace(%__MODULE__{traces: [_ | _]} = chain, traces), do: %{chain | traces: traces}

  def trace(%__MODULE__{} = chain, traces),
    do: %{chain | traces: traces, single: Compiler.single_stages(chain.registrations)}

  @doc "Whether the point is there. A point that no spec declares is there as long as it has hooks."
  @spec standing?(t | nil) :: boolean
  def standing?(nil), do: false

  def standing?(%__MODULE__{} = chain),
    do: chain.registrations != [] or chain.declared? or chain.down != %{}

  @doc "The chain if it is to be kept, for its point or for a trace of it."
  @spec kept(t) :: t | nil
  def kept(%__MODULE__{} = chain), do: if(standing?(chain) or chain.traces != [], do: chain)

  @doc "The number of runs of the point that began."
  @spec begun(t) :: non_neg_integer
  def begun(%__MODULE__{drain: nil, begun: begun}), do: begun

  def begun(%__MODULE__{} = chain) do
    Enum.reduce(versions(chain), chain.begun, fn {drain, _plugins}, sum -> sum + Drain.begun(drain) end)
  end

  @doc "The versions of a chain that may have runs with hooks of these plugins."
  @spec drains(t, [Pipeline.Plugin.plugin_id()]) :: [Drain.t()]
  def drains(%__MODULE__{} = chain, plugins) do
    for {drain, of} <- versions(chain), Enum.any?(plugins, &(&1 in of)), do: drain
  end

  @doc "The versions of a published chain that may have runs, with the plugins of their hooks; the newest first."
  @spec versions(t) :: [{Drain.t(), [Pipeline.Plugin.plugin_id()]}, ...]
  def versions(%__MODULE__{drain: drain, earlier: earlier, registrations: registrations}),
    do: [{drain, Enum.map(registrations, & &1.plugin)} | earlier]

  @doc "Runs the chain with a base operation, or with none."
  @spec run(t, term, Compiler.step() | nil) :: result
  def run(%__MODULE__{call: call}, context, nil), do: call.(context)
  def run(%__MODULE__{around: around}, context, core), do: around.(context, core)

  @doc "Runs stages of the chain once, with an instrument."
  @spec run(t, [Compiler.stage()], term, Compiler.step() | nil, Compiler.instrument()) :: result
  def run(
        %__MODULE__{refusal: {:error, _} = refusal, counters: counters},
        _stages,
        _context,
        _core,
        _instrument
      ),
      do: refuse(refusal, counters)

  def run(%__MODULE__{schemas: %{context: schema}} = chain, stages, context, core, instrument)
      when schema != nil,
      do: run(%{chain | schemas: nil}, stages, fitting!(context, schema, chain.point), core, instrument)

  def run(%__MODULE__{mode: :chain}, stages, context, core, instrument),
    do: Compiler.run(stages, context, core, instrument)

  def run(%__MODULE__{} = chain, stages, context, core, instrument),
    do: Listeners.compile(chain, stages, instrument).(context, core)

  @doc "The hooks as `Pipeline.Hook.chain/2` shows them. Native hooks have the number of their native call."
  @spec describe(t) :: [map]
  def describe(%__MODULE__{stages: stages, down: down, point: point}) do
    {described, _native_calls} =
      Enum.flat_map_reduce(stages, 0, fn stage, calls ->
        case Enum.map(Compiler.hooks(stage), &Registration.describe/1) do
          [%{tier: :native} | _] = hooks -> {Enum.map(hooks, &Map.put(&1, :segment, calls + 1)), calls + 1}
          hooks -> {hooks, calls}
        end
      end)

    absent(down, point) ++ described
  end

  @doc "The plugins that are down, as others see them."
  @spec down(%{term => down}) :: [{Pipeline.Plugin.plugin_id() | nil, down}]
  def down(down), do: down |> Enum.sort_by(&elem(&1, 0)) |> Enum.map(&named/1)

  defp named({key, why}), do: {Map.get(why, :id, key), why}

  # First, as a run finds them.
  defp absent(down, point) do
    for {id, %{state: state, hooks: hooks}} <- down(down),
        hook <- if(hooks == [], do: [%{kind: nil, priority: nil, on_error: nil, tier: nil}], else: hooks),
        do: Map.merge(hook, %{plugin: id, point: point, down: state})
  end
end
