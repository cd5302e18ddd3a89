//! The functions by which Elixir starts a hook on the runtime; whichever library links this crate exports
//! them.
use super::background_run::{BackgroundRun, Caller, StartError};
use super::{ConfiguredAsyncHook, Fields};
use crate::context::TermContext;
use crate::failure::Failure;
use crate::held::BACKGROUND_RUNS;
use crate::hook::{ConfiguredHook, Phase};
use crate::segment::one_of;
use rustler::{Encoder, Env, Error, NifResult, Reference, Term};
use std::panic::{AssertUnwindSafe, catch_unwind};

rustler::atoms! { after, before, failed, replace, started }

/// `{:started, run}`; then `{reference, outcome}` comes from a blocking hook and `{reference, :finished}`
/// from an async one, unless the run is cancelled before. `{:failed, message}` if the hook could not be
/// started.
#[rustler::nif]
fn start_hook<'a>(
    env: Env<'a>,
    hook: Term<'a>,
    phase: Term<'a>,
    context: Term<'a>,
    reference: Reference<'a>,
) -> NifResult<Term<'a>> {
    let phase = one_of(
        phase,
        [
            (before(), Phase::Before),
            (after(), Phase::After),
            (replace(), Phase::Replace),
        ],
    )?;
    let caller = Caller::new(env.pid(), reference);
    let run = if let Ok(hook) = hook.decode::<&ConfiguredHook>() {
        serves(hook.serves(phase))?;
        BackgroundRun::on_thread(hook.clone(), phase, context, caller).map_err(Failure::of)
    } else {
        let hook = hook.decode::<&ConfiguredAsyncHook>()?;
        serves(hook.serves(phase))?;
        start_task(env, hook, phase, context, caller)
    };
    Ok(match run {
        Ok(run) => (started(), BACKGROUND_RUNS.hold(env, run)?).encode(env),
        Err(failure) => (failed(), failure.into_message()).encode(env),
    })
}

/// Whether a run is cancelled: then nothing is sent any more. If it is not, its answer has been sent or is
/// about to be.
#[rustler::nif]
fn cancel_hook(run: &BackgroundRun) -> bool {
    run.cancel()
}

/// Takes what an async hook changed into the context it was started with, once it has said that it is
/// finished: `{:ok | :answer | :declined, context}`, `{:refused, reason}` or `{:failed, message}`.
#[rustler::nif]
fn finish_async<'a>(env: Env<'a>, run: &BackgroundRun, context: Term<'a>) -> NifResult<Term<'a>> {
    run.take(env, context).ok_or(Error::BadArg)
}

fn start_task<'a>(
    env: Env<'a>,
    hook: &ConfiguredAsyncHook,
    phase: Phase,
    context: Term<'a>,
    caller: Caller,
) -> Result<BackgroundRun, Failure> {
    let context = TermContext::new(env, context);
    // `reads` is the hook's own code, and may panic.
    let paths = catch_unwind(AssertUnwindSafe(|| hook.object.reads()))
        .map_err(|payload| Failure::from_panic(&*payload))?;
    let fields = Fields::read(&context, paths)?;
    BackgroundRun::as_task(hook, phase, fields, caller)
        .map_err(|error: StartError| Failure::of(error))
}

fn serves(it_does: bool) -> NifResult<()> {
    if it_does { Ok(()) } else { Err(Error::BadArg) }
}
