//! The calls that run segments, exported as `run_segment/2` and `run_segment_dirty/2`.

use super::metered::{Ran, Stage};
use super::resource::SegmentResource;
use crate::vm::{Call, Departure, RESUMED, export};
use rustler::{Encoder, Env, Term};

export!(c"run_segment", 2, Normal, RunSegment);
export!(c"run_segment_dirty", 2, DirtyCpu, RunSegmentDirty);

/// Runs a segment where its past says that it belongs; see [`Outcome`](super::Outcome) for what comes back.
struct RunSegment;

/// The same, on a dirty scheduler in any case: for segments that are declared heavy.
struct RunSegmentDirty;

/// Goes on with a run that has come to a dirty scheduler.
pub(crate) struct Resume;

impl Call<2> for RunSegment {
    #[inline]
    fn call<'a>(env: Env<'a>, [segment, context]: [Term<'a>; 2]) -> Departure<'a> {
        let Some(SegmentResource(metered)) = segment.try_get_resource() else {
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
        let Some(SegmentResource(metered)) = segment.try_get_resource() else {
            return Departure::BadArgument;
        };
        let stage = metered.start_on_dirty(context);
        Departure::Value(metered.resume(env, stage))
    }
}

impl Call<RESUMED> for Resume {
    fn call<'a>(env: Env<'a>, arguments: [Term<'a>; RESUMED]) -> Departure<'a> {
        let [segment, ..] = arguments;
        match (segment.try_get_resource(), taken_over(arguments)) {
            (Some(SegmentResource(metered)), Some(stage)) => {
                Departure::Value(metered.resume(env, stage))
            }
            _ => Departure::BadArgument,
        }
    }
}

/// What [`Resume`] is called with.
#[cold]
fn handed_over<'a>(env: Env<'a>, segment: Term<'a>, stage: &Stage<'a>) -> [Term<'a>; RESUMED] {
    [
        segment,
        stage.context,
        stage.next.encode(env),
        stage.skipped.encode(env),
        (stage.elapsed, stage.sampled).encode(env),
    ]
}

/// The stage that was handed over.
fn taken_over([_, context, next, skipped, time]: [Term<'_>; RESUMED]) -> Option<Stage<'_>> {
    let (elapsed, sampled) = time.decode().ok()?;
    Some(Stage {
        context,
        next: next.decode().ok()?,
        skipped: skipped.decode().ok()?,
        elapsed,
        sampled,
    })
}
