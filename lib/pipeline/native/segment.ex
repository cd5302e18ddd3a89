defmodule Pipeline.Native.Segment do
  @moduledoc false
  # The NIFs of `native/pipeline_term/src/segment/nifs.rs`: neighbouring hooks of one library, fused into one
  # call.

  @typedoc """
  Times of the runs that were timed: the first 64 of each hook on each scheduler, then one in 64.

    * `:timed` - the number of them
    * `:p50_ns`, `:p99_ns` - nanoseconds, `nil` if none was timed
    * `:histogram` - `{from, below, count}` with times in nanoseconds, from the shortest, without empty
      buckets. There are two buckets for each power of two
  """
  @type times :: %{
          optional(atom) => term,
          timed: non_neg_integer,
          p50_ns: pos_integer | nil,
          p99_ns: pos_integer | nil,
          histogram: [{pos_integer, pos_integer, pos_integer}]
        }

  @typedoc """
  Statistics of a segment: `t:times/0` and

    * `:runs` - the number of runs that have begun, exact as all counts
    * `:normal`, `:dirty` - of these, the runs that began on a normal and on a dirty scheduler
    * `:moved` - the runs that began on a normal scheduler and went on on a dirty one
    * `:starts` - where the next run begins, unless the segment was declared heavy
    * `:average_ns` - the moving average that decides this; 0 before the first run
    * `:budget_ns`
    * `:hooks` - for each hook, in their order, `t:times/0` and `:name`, `:runs`, `:failures` (which ended a
      run), `:skips` (which did not) and `:answers`
  """
  @type stats :: %{
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

  @typedoc "A hook of a segment, with its breaker if it has one."
  @type hook ::
          {reference, :halt | :skip | :raise} | {reference, :halt | :skip | :raise, breaker :: reference}

  @doc "The budget of a segment in microseconds, where nothing else is configured."
  @spec default_budget() :: pos_integer
  def default_budget, do: 500

  @doc "Fuses hooks. The budget is in microseconds."
  @spec new(module, :before | :after | :replace, [hook], pos_integer | :infinity) :: reference
  def new(library, phase, hooks, budget), do: library.segment(phase, hooks, budget)

  @doc """
  The function that runs segments of a library, given the segment and the context. Its results are those of
  `native/pipeline_term/src/segment/outcome.rs`.

  A `:light` segment starts on the scheduler that its past runs suggest, and goes on on a dirty one if it
  exceeds its budget. A `:heavy` one runs on a dirty scheduler.
  """
  @spec run(module, :light | :heavy) :: (reference, term -> tuple)
  def run(library, :light), do: Function.capture(library, :run_segment, 2)
  def run(library, :heavy), do: Function.capture(library, :run_segment_dirty, 2)

  @spec stats(module, reference) :: stats
  def stats(library, segment), do: library.segment_stats(segment)
end
