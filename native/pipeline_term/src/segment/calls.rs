//! The calls that run segments, exported as `run_segment/2` and `run_segment_dirty/2`.

use super::RunEvents;
use super::metered_segment::{Started, SuspendedRun};
use crate::held::SEGMENTS;
use crate::vm::{CallResult, NifFunction, RESUMED, RawTerm, export};
use rustler::{Encoder, Env, Term};

export!(c"run_segment", 2, Normal, RunSegment);
export!(c"run_segment_dirty", 2, DirtyCpu, RunSegmentDirty);

/// Runs a segment where its past says that it belongs; see `outcome.rs` for what comes back.
struct RunSegment;

/// The same, on a dirty scheduler in any case: for segments that are declared heavy.
struct RunSegmentDirty;

/// Goes on with a run that has come to a dirty scheduler.
pub(crate) struct Resume;

impl NifFunction<2> for RunSegment {
    #[inline]
    fn call<'a>(env: Env<'a>, [segment, context]: [Term<'a>; 2]) -> CallResult<'a> {
        let Some(metered) = SEGMENTS.held(segment) else {
            return CallResult::BadArgument;
        };
        match metered.start(env, context) {
            Started::Through(returned) => CallResult::Value(returned),
            Started::UpTo(suspended) => CallResult::Dirty(handed_over(env, segment, &suspended)),
        }
    }
}

impl NifFunction<2> for RunSegmentDirty {
    fn call<'a>(env: Env<'a>, [segment, context]: [Term<'a>; 2]) -> CallResult<'a> {
        let Some(metered) = SEGMENTS.held(segment) else {
            return CallResult::BadArgument;
        };
        let suspended = metered.start_on_dirty(env, context);
        CallResult::Value(metered.resume(env, suspended))
    }
}

impl NifFunction<RESUMED> for Resume {
    fn call<'a>(env: Env<'a>, arguments: [Term<'a>; RESUMED]) -> CallResult<'a> {
        let [segment, ..] = arguments;
        match (SEGMENTS.held(segment), taken_over(env, arguments)) {
            (Some(metered), Some(suspended)) => CallResult::Value(metered.resume(env, suspended)),
            _ => CallResult::BadArgument,
        }
    }
}

/// The arguments of [`Resume`].
#[cold]
fn handed_over<'a>(
    env: Env<'a>,
    segment: Term<'a>,
    suspended: &SuspendedRun<'a>,
) -> [RawTerm<'a>; RESUMED] {
    [
        segment,
        suspended.context.within(env),
        suspended.next.encode(env),
        (&suspended.events.skipped, &suspended.events.moved).encode(env),
        (suspended.elapsed, suspended.sampled).encode(env),
    ]
    .map(|term| RawTerm::of(term, env))
}

/// The run that was handed over.
fn taken_over<'a>(
    env: Env<'a>,
    [_, context, next, events, time]: [Term<'a>; RESUMED],
) -> Option<SuspendedRun<'a>> {
    let (elapsed, sampled) = time.decode().ok()?;
    let (skipped, moved) = events.decode().ok()?;
    Some(SuspendedRun {
        context: RawTerm::of(context, env),
        next: next.decode().ok()?,
        events: RunEvents { skipped, moved },
        elapsed,
        sampled,
    })
}
