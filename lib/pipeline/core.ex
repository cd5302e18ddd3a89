defmodule Pipeline.Core do
  @moduledoc false
  # The Rust core as the rest of the library sees it: the one caller of `Pipeline.Native`. Replies are turned into the
  # values and sentences that Elixir code passes on; work that does not belong on a scheduler is awaited here.

  alias Pipeline.Hook.Options
  alias Pipeline.Native
  alias Pipeline.Plugin.Suggestion

  @type registry :: reference

  @typedoc "What came of one native hook on the runtime."
  @type hook_outcome ::
          {:ok, term} | {:answer, term} | {:declined, term} | {:refused, term} | {:failed, String.t()}

  # Registry

  defdelegate registry_new, to: Native
  defdelegate registry_snapshot(registry), to: Native
  defdelegate registry_register(registry, id, capabilities, providers, info), to: Native
  defdelegate registry_register_all(registry, entries), to: Native
  defdelegate registry_replace(registry, id, capabilities, providers, info), to: Native
  defdelegate registry_replace_all(registry, entries), to: Native
  defdelegate registry_unregister(registry, id), to: Native
  defdelegate registry_get(registry, id), to: Native
  defdelegate registry_list(registry), to: Native
  defdelegate registry_find_by_capability(registry, capability), to: Native
  defdelegate registry_find_by_capability(registry, capability, value), to: Native
  defdelegate registry_provider(registry, type), to: Native
  defdelegate registry_generation(registry), to: Native
  defdelegate registry_changed_since(registry, generation), to: Native

  # Resolution

  defdelegate requirement_match(version, requirement, allow_pre), to: Native
  defdelegate load_order(manifests, loaded), to: Native
  defdelegate unload_order(manifests), to: Native

  @doc "Chooses versions on a thread of its own."
  def solve(available, roots, preferences) do
    await(fn reference -> Native.solve(self(), reference, available, roots, preferences) end)
  end

  @doc "Reads manifests on threads of its own; `progress` is called with the files done and the files in all."
  def discover(paths, progress) do
    await(fn reference -> Native.discover(self(), reference, paths) end, progress)
  end

  @doc """
  Reads the code of a plugin that was found with this digest: its module, and those beside it in its archive.
  """
  @spec read_plugin_code(Path.t(), binary) ::
          {:ok, binary, [{Path.t(), binary}]} | {:error, atom, sentence :: String.t()}
  def read_plugin_code(path, digest) do
    await(fn reference -> Native.read_plugin_code(self(), reference, path, digest) end)
  end

  # Manifests

  @type text_verdict :: :ok | :invalid | {:too_long, bytes_allowed :: pos_integer}

  @spec check_version(binary) :: text_verdict
  def check_version(version), do: if_built(fn -> Native.check_version(version) end)

  @spec check_requirement(binary) :: text_verdict
  def check_requirement(requirement), do: if_built(fn -> Native.check_requirement(requirement) end)

  @doc "Whether discovery would read this manifest from a file."
  @spec check_manifest(map) :: :ok | {:error, sentence :: String.t()}
  def check_manifest(manifest),
    do: if_built(fn -> Native.check_manifest(:erlang.term_to_binary(manifest)) end)

  # While this library itself compiles, the core is missing or an older one. Its own plugins pass then, and are checked
  # when they are loaded.
  defp if_built(check) do
    check.()
  rescue
    _error in [RuntimeError, UndefinedFunctionError] -> :ok
  end

  # Memory

  @doc """
  What the native library has allocated, in Rust, and not given back since this was first called, which begins the count.

  The VM does not know of it.
  """
  @spec memory() :: {bytes :: integer, blocks :: integer}
  defdelegate memory, to: Native

  # Lifecycle

  @doc "Whether a plugin in one state can enter another; the sentence says what it can enter."
  @spec lifecycle_enter(atom, atom) :: :ok | {:error, String.t()}
  defdelegate lifecycle_enter(from, to), to: Native

  # Circuit breakers

  @typedoc "A breaker that has changed its state, and why."
  @type breaker_transition ::
          {from :: atom, to :: atom, :failures | :cool_down | :trial_failed | :trials_passed | :reset}

  @doc "A closed breaker of a library, which knows no others; the times are in milliseconds."
  @spec breaker_new(module, Pipeline.Hook.Circuit.Settings.t()) :: {:ok, reference} | {:error, String.t()}
  def breaker_new(library, settings) do
    library.breaker_new(settings.failures, settings.window, settings.cool_down, settings.trials)
  end

  @doc "Asks for a call: a permit while the breaker is closed, another on trial, or none."
  @spec breaker_admit(module, reference) ::
          (permit :: non_neg_integer)
          | {:trial, permit :: non_neg_integer, breaker_transition | nil}
          | :refused
  def breaker_admit(library, breaker), do: library.breaker_admit(breaker)

  @spec breaker_failed(module, reference, non_neg_integer) :: breaker_transition | nil
  def breaker_failed(library, breaker, permit), do: library.breaker_failed(breaker, permit)

  @doc "Of calls that pass, only those on trial need be told."
  @spec breaker_passed(module, reference, non_neg_integer) :: breaker_transition | nil
  def breaker_passed(library, breaker, permit), do: library.breaker_passed(breaker, permit)

  @spec breaker_reset(module, reference) :: breaker_transition | nil
  def breaker_reset(library, breaker), do: library.breaker_reset(breaker)

  @spec breaker_counts(module, reference) ::
          {state :: atom, failures :: non_neg_integer, opened :: non_neg_integer, refused :: non_neg_integer}
  def breaker_counts(library, breaker), do: library.breaker_counts(breaker)

  # Hooks

  # Microseconds to sort, and many points are put in order at once.
  @few_hooks 64

  @spec hook_order([tuple], [{term, [term]}]) :: {:ok, [non_neg_integer]} | {:error, String.t()}
  def hook_order(hooks, dependencies) do
    if dependencies == [] and length(hooks) <= @few_hooks and Enum.all?(hooks, &unconstrained?/1),
      do: Native.hook_order_of_few(hooks, []),
      else: Native.hook_order(hooks, dependencies)
  end

  defp unconstrained?({_plugin, _kind, _priority, _registration, before, later}),
    do: before == [] and later == []

  @doc "What to call for a native hook; its configuration is checked."
  @spec native_call(Pipeline.Hook.Options.t()) :: {:ok, Pipeline.Hook.Entry.call()} | {:error, String.t()}
  def native_call(%{native: {library, name}, config: config} = options) do
    with :ok <- check_library(library),
         {:ok, hook} <- configure(library, Atom.to_string(name), config),
         {:ok, known} <- served(library, name, options.kind),
         {:ok, cost} <- cost(name, options, known.cost) do
      {:ok, {:native, library, name, hook, cost}}
    else
      {:error, {:unknown_hook, _name, _suggestion}} ->
        known = library.native_hooks() |> Enum.map(& &1.name) |> Enum.sort()

        {:error,
         "#{inspect(library)} has no native hook #{inspect(name)}." <>
           Suggestion.did_you_mean(Atom.to_string(name), known) <> " It has: #{Enum.join(known, ", ")}"}

      # The message names the field.
      {:error, {:invalid_config, _path, message}} ->
        {:error, "the config of the native hook #{inspect(name)} is wrong: #{message}"}

      {:error, {:ambiguous_hook, _name}} ->
        {:error, "#{inspect(library)} registers two native hooks of the name #{inspect(name)}: rename one"}

      {:error, message} ->
        {:error, message}
    end
  end

  @spec segment(
          module,
          :before | :after | :replace,
          [{reference, :halt | :skip | :raise} | {reference, :halt | :skip | :raise, breaker :: reference}],
          Pipeline.Hook.Budget.t()
        ) ::
          reference
  def segment(library, phase, hooks, budget), do: library.segment(phase, hooks, budget)

  @doc """
  The function that runs segments of a library: with the segment and the context. What comes back is that of
  `native/pipeline_term/src/segment/outcome.rs`.

  One of `:light` cost runs where its past says that it belongs, and goes on on a dirty scheduler if it exceeds its
  budget; one of `:heavy` cost runs on a dirty scheduler.
  """
  @spec run_segment(module, :light | :heavy) :: (reference, term -> tuple)
  def run_segment(library, :light), do: Function.capture(library, :run_segment, 2)
  def run_segment(library, :heavy), do: Function.capture(library, :run_segment_dirty, 2)

  @typedoc """
  Times of the runs that were timed: hook by hook the first 64 of each scheduler, then one in 64.

    * `:timed` - how many these are
    * `:p50_ns`, `:p99_ns` - nanoseconds, `nil` if nothing was timed
    * `:histogram` - `{from, below, count}` with the times in nanoseconds, from the shortest, without empty buckets;
      two buckets for each power of two
  """
  @type times :: %{
          optional(atom) => term,
          timed: non_neg_integer,
          p50_ns: pos_integer | nil,
          p99_ns: pos_integer | nil,
          histogram: [{pos_integer, pos_integer, pos_integer}]
        }

  @typedoc """
  What is known of a segment: `t:times/0` and

    * `:runs` - how many have begun, exact as all counts
    * `:normal`, `:dirty` - of these, those that began on a normal and on a dirty scheduler
    * `:moved` - of those that began on a normal one, those that went on on a dirty one
    * `:starts` - where the next one begins, if the segment was not declared heavy
    * `:average_ns` - the moving average that says so; 0 before the first run
    * `:budget_ns`
    * `:hooks` - for each hook, in their order, `t:times/0` and `:name`, `:runs`, `:failures` (which ended a run),
      `:skips` (which did not) and `:answers`
  """
  @type segment_stats :: %{
          optional(atom) => term,
          runs: non_neg_integer,
          normal: non_neg_integer,
          dirty: non_neg_integer,
          moved: non_neg_integer,
          starts: :normal | :dirty,
          average_ns: non_neg_integer,
          budget_ns: pos_integer | :infinity,
          hooks: [
            %{
              optional(atom) => term,
              name: String.t(),
              runs: non_neg_integer,
              failures: non_neg_integer,
              skips: non_neg_integer,
              answers: non_neg_integer
            }
          ]
        }

  @spec segment_stats(module, reference) :: segment_stats
  def segment_stats(library, segment), do: library.segment_stats(segment)

  @doc "An around on the way in."
  @spec enter_around(Pipeline.Hook.Entry.call(), term) ::
          {:inside, visit :: reference, term} | {:answer, term} | {:refused, term} | {:failed, String.t()}
  def enter_around({:native, library, _name, around, :light}, context),
    do: library.enter_around(around, context)

  def enter_around({:native, library, _name, around, _heavy}, context),
    do: library.enter_around_dirty(around, context)

  @doc "An around on the way out, with the context that went in and what came out."
  @spec leave_around(
          Pipeline.Hook.Entry.call(),
          reference,
          term,
          {:ok | :error | :exit | :throw | :refused, term}
        ) ::
          :pass
          | {:value, term}
          | {:again, term, milliseconds :: non_neg_integer}
          | {:refused, term}
          | {:failed, String.t()}
  def leave_around({:native, library, _name, around, :light}, visit, context, ended) do
    library.leave_around(around, visit, context, ended)
  end

  def leave_around({:native, library, _name, around, _heavy}, visit, context, ended) do
    library.leave_around_dirty(around, visit, context, ended)
  end

  @doc """
  Starts a hook on its library's runtime.

  `{reference, outcome}` comes from a blocking one and `{reference, :finished}` from an async one, unless it is
  cancelled, which it is also when nobody holds what this returns.
  """
  @spec start_hook(Pipeline.Hook.Entry.call(), :before | :after | :replace, term, reference) ::
          {:started, run :: reference} | {:failed, String.t()}
  def start_hook({:native, library, _name, hook, _cost}, phase, context, reference) do
    library.start_hook(hook, phase, context, reference)
  end

  @doc "Cancels a run, after which nothing comes from it; `false` if its answer was quicker."
  @spec cancel_hook(Pipeline.Hook.Entry.call(), reference) :: boolean
  def cancel_hook({:native, library, _name, _hook, _cost}, run), do: library.cancel_hook(run)

  @doc "What an async hook that has finished makes of the context it was started with."
  @spec finish_async(Pipeline.Hook.Entry.call(), reference, term) :: hook_outcome
  def finish_async({:native, library, _name, _hook, _cost}, run, context),
    do: library.finish_async(run, context)

  defp check_library(library) do
    if match?({:module, _}, Code.ensure_loaded(library)) and function_exported?(library, :native_hook, 2) do
      :ok
    else
      {:error, "#{inspect(library)} is not a native library: a module that uses Pipeline.Native.Library"}
    end
  end

  defp configure(library, name, config) do
    library.native_hook(name, config)
  rescue
    # What stands in its place as long as the library is not built.
    error in RuntimeError -> {:error, error.message}
  end

  defp served(library, name, kind) do
    hook = Enum.find(library.native_hooks(), &(&1.name == Atom.to_string(name)))

    if kind in hook.phases do
      {:ok, hook}
    else
      {:error,
       "the native hook #{inspect(name)} is for #{Enum.map_join(hook.phases, ", ", &inspect/1)} hooks, " <>
         "not #{inspect(kind)}"}
    end
  end

  # What waits may run on no scheduler, whatever its declaration says.
  defp cost(name, %{cost: declared}, :async) when declared != nil do
    {:error, "the native hook #{inspect(name)} is polled and holds no thread: leave cost: out"}
  end

  defp cost(name, %{cost: declared}, :blocking) when declared not in [nil, :blocking] do
    {:error, "the native hook #{inspect(name)} blocks, and no scheduler may run it: leave cost: out"}
  end

  defp cost(_name, options, known) do
    cost = options.cost || known

    if options.timeout != nil and cost in [:light, :heavy],
      do: {:error, Options.no_timeout(cost)},
      else: {:ok, cost}
  end

  defp await(start, progress \\ fn _done, _all -> :ok end) do
    reference = make_ref()
    :ok = start.(reference)
    receive_reply(reference, progress)
  end

  defp receive_reply(reference, progress) do
    receive do
      {^reference, :progress, done, all} ->
        progress.(done, all)
        receive_reply(reference, progress)

      {^reference, :done, {:error, :panicked}} ->
        raise "the native library panicked; please report it with what it was given"

      {^reference, :done, reply} ->
        reply
    end
  end
end
