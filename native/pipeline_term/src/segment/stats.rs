use super::metered_segment::MeteredSegment;
use crate::held::SEGMENTS;
use crate::measure::{Bucket, Histogram, HookMeasures, quantile};
use rustler::{Encoder, Env, Error, NifResult, Term};

rustler::atoms! {
    answers, average_ns, budget_ns, dirty, failures, histogram, hooks, infinity, moved, name, nil, normal, p50_ns, p99_ns,
    runs, skips, starts, timed,
}

/// The statistics of a segment's runs:
///
/// ```elixir
/// %{
///   runs: 1000,                   # exact, as all counts; those that have not ended are in it
///   normal: 990,                  # of them, those that started on a normal scheduler
///   dirty: 10,                    # and those that started on a dirty one
///   moved: 2,                     # of the former, those that went on on a dirty one
///   starts: :normal,              # where the next run starts, as far as it is decided here: :normal | :dirty
///   average_ns: 700,              # the moving average by which that is decided; 0 before the first run
///   budget_ns: 500_000,           # | :infinity
///   timed: 80,                    # runs of which the times below are
///   p50_ns: 720, p99_ns: 3000,    # | nil
///   histogram: [{512, 768, 51}],  # {from, below, count}, in nanoseconds, without empty buckets
///   hooks: [
///     %{name: "redact", runs: 1000, failures: 0, skips: 3, answers: 1, timed: 80, p50_ns: 96, p99_ns: nil, histogram: []}
///   ]
/// }
/// ```
///
/// The hooks are in their order. `failures` ended the run, `skips` did not. A hook's `runs` are those of the
/// segment less those that ended before it.
#[rustler::nif]
fn segment_stats<'a>(env: Env<'a>, segment: Term<'a>) -> NifResult<Term<'a>> {
    let metered = SEGMENTS.held(segment).ok_or(Error::BadArg)?;
    let measures = metered.measures();
    let (normal_runs, dirty_runs) = (measures.normal(), measures.dirty());
    let average = metered.average();
    let mut pairs = vec![
        (runs(), (normal_runs + dirty_runs).encode(env)),
        (normal(), normal_runs.encode(env)),
        (dirty(), dirty_runs.encode(env)),
        (moved(), measures.moved().encode(env)),
        (
            starts(),
            if average.is_slow() { dirty() } else { normal() }.encode(env),
        ),
        (average_ns(), average.nanos().encode(env)),
        (
            budget_ns(),
            match metered.budget().nanos() {
                Some(nanos) => nanos.encode(env),
                None => infinity().encode(env),
            },
        ),
        (hooks(), hook_stats(env, metered, normal_runs + dirty_runs)?),
    ];
    pairs.extend(times(env, &measures.times));
    Term::map_from_pairs(env, &pairs)
}

fn hook_stats<'a>(env: Env<'a>, metered: &MeteredSegment, runs_in_all: u64) -> NifResult<Term<'a>> {
    let steps = metered.segment().steps().iter();
    let mut left = runs_in_all;
    steps
        .zip(&metered.measures().hooks)
        .map(|(step, measures)| {
            let pairs = hook_pairs(env, measures, left);
            // A run may have ended since they were counted.
            left = left.saturating_sub(measures.ended());
            let mut pairs = pairs;
            pairs.push((name(), step.hook.registration().name.encode(env)));
            Term::map_from_pairs(env, &pairs)
        })
        .collect::<NifResult<Vec<_>>>()
        .map(|all| all.encode(env))
}

fn hook_pairs<'a>(
    env: Env<'a>,
    measures: &HookMeasures,
    reached: u64,
) -> Vec<(rustler::Atom, Term<'a>)> {
    let mut pairs = vec![
        (runs(), reached.encode(env)),
        (failures(), measures.failures().encode(env)),
        (skips(), measures.skips().encode(env)),
        (answers(), measures.answers().encode(env)),
    ];
    pairs.extend(times(env, &measures.times));
    pairs
}

fn times<'a>(env: Env<'a>, times: &Histogram) -> [(rustler::Atom, Term<'a>); 4] {
    let buckets = times.buckets();
    let total: u64 = buckets.iter().map(|bucket| u64::from(bucket.count)).sum();
    let of = |per_mille| quantile(&buckets, per_mille).encode(env);
    let encoded: Vec<_> = buckets
        .iter()
        .map(|Bucket { from, to, count }| (from, to, count).encode(env))
        .collect();
    [
        (timed(), total.encode(env)),
        (p50_ns(), of(500)),
        (p99_ns(), of(990)),
        (histogram(), encoded.encode(env)),
    ]
}
