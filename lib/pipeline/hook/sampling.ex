defmodule Pipeline.Hook.Sampling do
  @moduledoc false
  # Which runs emit the telemetry event `[:pipeline_plugin, :hook, :stop]` for each of their hooks: one in so many, by the
  # setting of the instance or that of `config :pipeline_plugin, telemetry: [hooks: n]`. Read when a chain is made: without
  # the setting the chain that runs find has no step more.

  alias Pipeline.{Instance, Options, Telemetry}
  alias Pipeline.Hook.{Chain, Compiler, Instrument, Registration}

  @behaviour Instance.Published

  @type rate :: pos_integer | nil

  @doc "The rate of the option `telemetry:`, or an error that says what it is."
  @spec check!(term) :: rate
  def check!(nil), do: nil

  def check!(options) do
    Options.validate!(options, [:hooks], "telemetry:")

    case options[:hooks] do
      rate when rate == nil or (is_integer(rate) and rate > 0) ->
        rate

      other ->
        raise ArgumentError,
              "telemetry: [hooks: n] emits events for one run in n, a positive integer, got: #{inspect(other)}"
    end
  end

  @impl true
  def value(_instance, rate), do: rate

  @spec of(term) :: rate
  def of(nil), do: nil

  def of(instance) do
    Instance.Published.get(instance, __MODULE__) ||
      check!(Application.get_env(:pipeline_plugin, :telemetry))
  end

  @doc "Whether a run is one of those."
  @spec take?(Chain.t()) :: boolean
  def take?(%Chain{sampled: nil}), do: false
  # Not `:rand`, which keeps its state in the caller's process.
  def take?(%Chain{sampled: rate}), do: Telemetry.there?() and :erlang.phash2(make_ref(), rate) == 0

  @doc "Tells of the calls of a run."
  @spec observe(term) :: Instrument.observe()
  def observe(instance) do
    fn
      :core, _outcome, _start, _nanoseconds -> :ok
      # Every failure is told of where it is seen.
      _stage, {:failed, _, _, _}, _start, _nanoseconds -> :ok
      stage, outcome, _start, nanoseconds -> tell(Compiler.hooks(stage), outcome, nanoseconds, instance)
    end
  end

  defp tell(hooks, outcome, nanoseconds, instance) do
    duration = System.convert_time_unit(nanoseconds, :nanosecond, :native)
    # Hooks that share a native call share its time.
    shared = length(hooks)

    for entry <- hooks do
      Telemetry.emit([:hook, :stop], fn ->
        {%{count: 1, duration: div(duration, shared)}, Map.put(metadata(entry, instance), :outcome, outcome)}
      end)
    end
  end

  @doc "What events of a hook say of it."
  @spec metadata(Registration.t(), term) :: map
  def metadata(%Registration{} = entry, instance) do
    entry
    |> Registration.describe()
    |> Map.take([:plugin, :point, :kind, :tier])
    |> Map.merge(%{instance: instance, fun: Registration.function_name(entry)})
  end
end
