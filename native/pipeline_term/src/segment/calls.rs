//! The calls that run segments, exported as `run_segment/2` and `run_segment_dirty/2`.

use super::Events;
use super::metered::{Ran, Stage};
use super::resource::SEGMENTS;
use crate::vm::{Bare, Call, Departure, RESUMED, export};
use rustler::{Encoder, Env, Term};

export!(c"run_segment", 2, Normal, RunSegment);
export!(c"run_segment_dirty", 2, DirtyCpu, RunSegmentDirty);

/// Runs a segment where its past says that it belongs; see `outcome.rs` for what comes back.
struct RunSegment;

/// The same, on a dirty scheduler in any case: for segments that are declared heavy.
struct RunSegmentDirty;

/// Goes on with a run that has come to a dirty scheduler.
pub(crate) struct Resume;

impl Call<2> for RunSegment {
    #[inline]
    fn call<'a>(env: Env<'a>, [segment, context]: [Term<'a>; 2]) -> Departure<'a> {
        let Some(metered) = SEGMENTS.held(segment) else {
            return Departure::BadArgument;
        };
        match metered.start(env, context) {
            Ran::Through(returned) => Departure::Value(returned),
            Ran::UpTo(stage) => Departure::Dirty(handed_over(env, segment, &stage)),
        }
    }
}

impl Call<2> for RunSegmentDirty {
    fn call<'a>(env: Env<'a>, [segment, context]: [Term<'a>; 2]) -> Departure<'a> {
        let Some(metered) = SEGMENTS.held(segment) else {
            return Departure::BadArgument;
        };
        let stage = metered.start_on_dirty(env, context);
        Departure::Value(metered.resume(env, stage))
    }
}

impl Call<RESUMED> for Resume {
    fn call<'a>(env: Env<'a>, arguments: [Term<'a>; RESUMED]) -> Departure<'a> {
        let [segment, ..] = arguments;
        match (SEGMENTS.held(segment), taken_over(env, arguments)) {
            (Some(metered), Some(stage)) => Departure::Value(metered.resume(env, stage)),
            _ => Departure::BadArgument,
        }
    }
}

/// What [`Resume`] is called with.
#[cold]
fn handed_over<'a>(env: Env<'a>, segment: Term<'a>, stage: &Stage<'a>) -> [Bare<'a>; RESUMED] {
    [
        segment,
        stage.context.within(env),
        stage.next.encode(env),
        (&stage.events.skipped, &stage.events.moved).encode(env),
        (stage.elapsed, stage.sampled).encode(env),
    ]
    .map(|term| Bare::of(term, env))
}

/// The stage that was handed over.
fn taken_over<'a>(
    env: Env<'a>,
    [_, context, next, events, time]: [Term<'a>; RESUMED],
) -> Option<Stage<'a>> {
    let (elapsed, sampled) = time.decode().ok()?;
    let (skipped, moved) = events.decode().ok()?;
    Some(Stage {
        context: Bare::of(context, env),
        next: next.decode().ok()?,
        events: Events { skipped, moved },
        elapsed,
        sampled,
    })
}
