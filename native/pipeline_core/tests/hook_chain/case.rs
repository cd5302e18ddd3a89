//! Hooks as data, and the real chain that they make.

use pipeline_core::hook::{
    Attachment, Cause, Chain, ContextFamily, Flow, Hook, HookError, HookKind, Next, OnError,
    RunFailure, WrapError,
};

/// The marks that hooks append, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trail(pub(crate) Vec<String>);

impl Trail {
    pub(crate) fn push(&mut self, mark: &str) {
        self.0.push(mark.to_owned());
    }
}

pub(crate) struct Trails;

impl ContextFamily for Trails {
    type Context<'a> = Trail;
    type Error = String;
}

/// The steps of a hook, beside appending its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Goes on. One with a `next` appends its name on the way in and on the way out.
    Pass,
    /// Before: answers. With a `next`: does not call it.
    Answer,
    /// Fails, ahead of any `next`.
    Fail,
    /// Panics, ahead of any `next`.
    Panic,
    /// Calls `next` and fails whatever it gave.
    FailLate,
    /// Calls `next` again when it failed the first time.
    Retry,
    /// Calls `next` twice.
    Twice,
    /// Makes a success of any failure.
    Catch,
}

#[derive(Clone, Debug)]
pub(crate) struct HookCase {
    pub(crate) kind: HookKind,
    pub(crate) name: &'static str,
    pub(crate) act: Act,
    pub(crate) on_error: OnError,
}

/// How a run came out, in plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done(Vec<String>),
    HookFailed(Blame),
    CoreFailed,
    CorePanicked,
}

/// Plugin, kind, index among its kind, and whether it panicked.
pub(crate) type Blame = (String, HookKind, usize, bool);

pub(crate) fn hook(kind: HookKind, name: &'static str, act: Act) -> HookCase {
    HookCase {
        kind,
        name,
        act,
        on_error: OnError::Halt,
    }
}

pub(crate) fn skipping(kind: HookKind, name: &'static str, act: Act) -> HookCase {
    HookCase {
        on_error: OnError::Skip,
        ..hook(kind, name, act)
    }
}

pub(crate) fn fail(act: Act, name: &str) -> Result<(), String> {
    match act {
        Act::Fail => Err(name.to_owned()),
        Act::Panic => panic!("{name}"),
        _ => Ok(()),
    }
}

fn with_next(
    case: &HookCase,
    trail: &mut Trail,
    next: &mut Next<'_, '_, Trails>,
) -> Result<(), WrapError<String>> {
    trail.push(case.name);
    fail(case.act, case.name)?;
    match case.act {
        Act::Answer => {}
        Act::FailLate => {
            let _ = next.call(trail);
            trail.push("half-way");
            return Err(WrapError::Own(case.name.to_owned()));
        }
        Act::Retry => {
            if next.call(trail).is_err() {
                next.call(trail)?;
            }
        }
        Act::Twice => {
            next.call(trail)?;
            next.call(trail)?;
        }
        Act::Catch => {
            if next.call(trail).is_err() {
                trail.push("caught");
            }
        }
        _ => next.call(trail)?,
    }
    trail.push(case.name);
    Ok(())
}

fn build(case: &HookCase) -> Hook<Trails> {
    let case = case.clone();
    let on_error = case.on_error;
    let hook = match case.kind {
        HookKind::Around => Hook::around_fn(move |trail, next| with_next(&case, trail, next)),
        HookKind::Replace => Hook::replace_fn(move |trail, next| with_next(&case, trail, next)),
        HookKind::Before => Hook::before(move |trail: &mut Trail| {
            trail.push(case.name);
            fail(case.act, case.name)?;
            Ok(if case.act == Act::Answer {
                Flow::Answer
            } else {
                Flow::Continue
            })
        }),
        _ => Hook::after(move |trail: &mut Trail| {
            trail.push(case.name);
            fail(case.act, case.name)
        }),
    };
    hook.on_error(on_error)
}

pub(crate) fn chain(cases: &[HookCase]) -> Chain<Trails> {
    let hooks = cases
        .iter()
        .zip(0..)
        .map(|(case, number)| Attachment::new(case.name, number, build(case)));
    Chain::new("point", hooks.collect(), |_| &[]).unwrap()
}

pub(crate) fn blame(error: &HookError<String>) -> Blame {
    assert_eq!(error.point.as_str(), "point");
    let panicked = match &error.cause {
        Cause::Failed(name) => {
            assert_eq!(*name, error.plugin.to_string());
            false
        }
        Cause::Panicked(name) => {
            assert_eq!(*name, error.plugin.to_string());
            true
        }
        cause => panic!("{cause:?}"),
    };
    (error.plugin.to_string(), error.kind, error.index, panicked)
}

/// Runs the real chain. `core` says what the base operation does, call by call; it passes when the list is
/// over.
pub(crate) fn run(cases: &[HookCase], core: &[Act]) -> (Outcome, Vec<Blame>) {
    let chain = chain(cases);
    let mut trail = Trail::default();
    let mut skipped = Vec::new();
    let mut acts = core.iter();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let core = |trail: &mut Trail| {
            trail.push("core");
            fail(acts.next().copied().unwrap_or(Act::Pass), "core")
        };
        chain.run(&mut trail, core, &mut skipped)
    }));
    let outcome = match outcome {
        Ok(Ok(())) => Outcome::Done(trail.0),
        Ok(Err(RunFailure::Hook(error))) => Outcome::HookFailed(blame(&error)),
        Ok(Err(RunFailure::Core(error))) => {
            assert_eq!(error, "core");
            Outcome::CoreFailed
        }
        Ok(Err(failure @ RunFailure::CorePanicked(_))) => panic!("{failure}"),
        Err(payload) => {
            assert_eq!(payload.downcast_ref::<String>().unwrap(), "core");
            Outcome::CorePanicked
        }
    };
    (outcome, skipped.iter().map(blame).collect())
}
