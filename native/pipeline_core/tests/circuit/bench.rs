//! One hook with a circuit, its clock, and what is told of it; sync or async.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pipeline_core::breaker::{BreakerState, Settings, TransitionReason};
use pipeline_core::hook::{
    Attachment, Cause, Chain, Circuit, CircuitChange, ContextFamily, Flow, Hook, HookKind, OnError,
    RunFailure,
};

/// The action of the hook in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Pass,
    Fail,
    Refuse,
    Panic,
    /// Where there is a `next`.
    HandOn,
}

/// The answer of the hook in place of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Said {
    #[error("down")]
    Down,
    #[error("not allowed")]
    NotAllowed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) act: Act,
    pub(crate) trail: Vec<&'static str>,
}

pub(crate) struct Visits;

impl ContextFamily for Visits {
    type Context<'a> = Visit;
    type Error = Said;

    fn is_refusal(error: &Said) -> bool {
        *error == Said::NotAllowed
    }
}

/// How a run ended, what it skipped, and what it did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) ended: Result<(), Cause<Said>>,
    pub(crate) skipped: Vec<Cause<Said>>,
    pub(crate) trail: Vec<&'static str>,
}

pub(crate) type Run = Box<dyn Fn(Act) -> Ran + Send + Sync>;
type Changes = Arc<Mutex<Vec<CircuitChange>>>;

pub(crate) struct Bench {
    pub(crate) circuit: Circuit,
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) run: Run,
    changes: Changes,
}

/// How a bench runs its hook.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Sync,
    #[cfg(feature = "async")]
    Async,
    /// A sync hook in an async chain.
    #[cfg(feature = "async")]
    Inline,
}

pub(crate) const WAYS: &[Way] = &[
    Way::Sync,
    #[cfg(feature = "async")]
    Way::Async,
    #[cfg(feature = "async")]
    Way::Inline,
];

/// Opens after two failures within 100, is tried again 10 later, and closes when one trial passes.
pub(crate) fn settings() -> Settings {
    Settings::new(2, 100, 10, 1).unwrap()
}

impl Bench {
    pub(crate) fn new(way: Way, kind: HookKind, on_error: OnError) -> Self {
        let clock = Arc::new(AtomicU64::new(1));
        let read = clock.clone();
        let circuit = Circuit::with_clock(settings(), move || read.load(Ordering::Relaxed));
        let changes = Changes::default();
        let told = changes.clone();
        let tell = move |change: &CircuitChange| told.lock().unwrap().push(change.clone());
        let run: Run = match way {
            Way::Sync => {
                let hook = hook(kind).on_error(on_error).circuit(circuit.clone());
                let hooks = vec![Attachment::new("flaky", 1, hook)];
                let chain = Chain::new("step", hooks, |_| &[]).unwrap();
                run_of(chain.on_circuit_change(tell))
            }
            #[cfg(feature = "async")]
            Way::Async => {
                let hook = super::waiting::hook(kind).on_error(on_error);
                super::waiting::run_of(hook.circuit(circuit.clone()), tell)
            }
            #[cfg(feature = "async")]
            Way::Inline => {
                let hook = hook(kind).on_error(on_error).circuit(circuit.clone());
                match pipeline_core::hook::asynchronous::AsyncHook::sync(&hook) {
                    Ok(hook) => super::waiting::run_of(hook, tell),
                    Err(_) => return Self::new(Way::Async, kind, on_error),
                }
            }
        };
        Self {
            circuit,
            clock,
            run,
            changes,
        }
    }

    pub(crate) fn run(&self, act: Act) -> Ran {
        (self.run)(act)
    }

    pub(crate) fn pass_time(&self, time: u64) {
        self.clock.fetch_add(time, Ordering::Relaxed);
    }

    /// The changes told since this was last asked.
    pub(crate) fn told(&self) -> Vec<(BreakerState, BreakerState, TransitionReason, u64)> {
        let changes = std::mem::take(&mut *self.changes.lock().unwrap());
        let told = changes.into_iter().map(|change| {
            assert_eq!(
                (change.plugin.to_string(), change.point.as_str()),
                ("flaky".to_owned(), "step")
            );
            assert_eq!(change.index, 0);
            (change.from, change.to, change.reason, change.opened)
        });
        told.collect()
    }
}

/// The hook, which marks the trail ahead of what it does.
pub(crate) fn hook(kind: HookKind) -> Hook<Visits> {
    match kind {
        HookKind::Before => Hook::before(|visit: &mut Visit| act(visit).map(|()| Flow::Continue)),
        HookKind::After => Hook::after(act),
        HookKind::Around => Hook::around_fn(|visit: &mut Visit, next| {
            act(visit)?;
            Ok(next.call(visit)?)
        }),
        HookKind::Replace => Hook::replace_fn(|visit: &mut Visit, next| {
            act(visit)?;
            Ok(next.call(visit)?)
        }),
        HookKind::Listen => panic!("listeners have a chain of their own"),
    }
}

pub(crate) fn act(visit: &mut Visit) -> Result<(), Said> {
    visit.trail.push("hook");
    match visit.act {
        Act::Fail => Err(Said::Down),
        Act::Refuse => Err(Said::NotAllowed),
        Act::Panic => panic!("ouch"),
        Act::Pass | Act::HandOn => Ok(()),
    }
}

pub(crate) fn core(visit: &mut Visit) -> Result<(), Said> {
    visit.trail.push("core");
    if visit.act == Act::HandOn {
        return Err(Said::Down);
    }
    Ok(())
}

fn run_of(chain: Chain<Visits>) -> Run {
    Box::new(move |act| {
        let mut visit = Visit { act, trail: vec![] };
        let mut skipped = Vec::new();
        let ended = match chain.run(&mut visit, core, &mut skipped) {
            Ok(()) | Err(RunFailure::Core(_)) => Ok(()),
            Err(RunFailure::Hook(error)) => Err(error.cause),
            Err(RunFailure::CorePanicked(_)) => unreachable!("the base operation does not panic"),
        };
        Ran {
            ended,
            skipped: skipped.into_iter().map(|error| error.cause).collect(),
            trail: visit.trail,
        }
    })
}
