//! The same hooks on async chains, and what only those have.

use std::future::pending;
use std::time::Duration;

use pipeline_core::breaker::{BreakerState, TransitionReason};
use pipeline_core::hook::asynchronous::{
    AsyncAround, AsyncChain, AsyncHook, AsyncListener, AsyncListeners, AsyncNext, AsyncReplace,
    RunError,
};
use pipeline_core::hook::{
    Attachment, Cause, Chain, Circuit, CircuitChange, Flow, Hook, HookKind, WrapError,
};
use tokio::task::yield_now;

use super::bench::{Act, Ran, Run, Said, Visit, Visits, act, core, settings};

pub(crate) fn hook(kind: HookKind) -> AsyncHook<Visits> {
    match kind {
        HookKind::Before => AsyncHook::before(before),
        HookKind::After => AsyncHook::after(after),
        HookKind::Around => AsyncHook::around(Wrapping),
        HookKind::Replace => AsyncHook::replace(Wrapping),
        HookKind::Listen => panic!("listeners have a chain of their own"),
    }
}

async fn before(visit: &mut Visit) -> Result<Flow, Said> {
    yield_now().await;
    act(visit).map(|()| Flow::Continue)
}

async fn after(visit: &mut Visit) -> Result<(), Said> {
    yield_now().await;
    act(visit)
}

struct Wrapping;

impl AsyncAround<Visits> for Wrapping {
    async fn around(
        &self,
        visit: &mut Visit,
        next: &mut AsyncNext<'_, Visits>,
    ) -> Result<(), WrapError<Said>> {
        yield_now().await;
        act(visit)?;
        Ok(next.call(visit).await?)
    }
}

impl AsyncReplace<Visits> for Wrapping {
    async fn replace(
        &self,
        visit: &mut Visit,
        next: &mut AsyncNext<'_, Visits>,
    ) -> Result<(), WrapError<Said>> {
        self.around(visit, next).await
    }
}

async fn waiting_core(visit: &mut Visit) -> Result<(), Said> {
    yield_now().await;
    core(visit)
}

fn chain(hook: AsyncHook<Visits>) -> AsyncChain<Visits> {
    AsyncChain::new("step", vec![Attachment::new("flaky", 1, hook)], |_| &[]).unwrap()
}

pub(crate) fn run_of(
    hook: AsyncHook<Visits>,
    tell: impl Fn(&CircuitChange) + Send + Sync + 'static,
) -> Run {
    let chain = chain(hook).on_circuit_change(tell);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let runtime = std::sync::Mutex::new(runtime);
    Box::new(move |act| {
        let mut visit = Visit { act, trail: vec![] };
        let mut skipped = Vec::new();
        let run = chain.run(&mut visit, waiting_core, &mut skipped);
        let ended = match runtime.lock().unwrap().block_on(run) {
            Ok(()) | Err(RunError::Core(_)) => Ok(()),
            Err(RunError::Hook(error)) => Err(error.cause),
            Err(other) => panic!("{other}"),
        };
        Ran {
            ended,
            skipped: skipped.into_iter().map(|error| error.cause).collect(),
            trail: visit.trail,
        }
    })
}

async fn forever(_: &mut Visit) -> Result<Flow, Said> {
    pending().await
}

fn visit(act: Act) -> Visit {
    Visit { act, trail: vec![] }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_failure() {
    let circuit = Circuit::with_clock(settings(), || 1);
    let limit = Duration::from_secs(1);
    let hook = AsyncHook::before(forever)
        .timeout(limit)
        .circuit(circuit.clone());
    let chain = chain(hook);
    for expected in [
        Cause::TimedOut(limit),
        Cause::TimedOut(limit),
        Cause::CircuitOpen,
    ] {
        let run = chain
            .run(&mut visit(Act::Pass), waiting_core, &mut vec![])
            .await;
        assert!(matches!(run, Err(RunError::Hook(error)) if error.cause == expected));
    }
}

#[tokio::test]
async fn a_trial_that_is_dropped_leaves_its_place_after_a_cool_down() {
    let bench = super::bench::Bench::new(
        super::bench::Way::Sync,
        HookKind::Before,
        pipeline_core::hook::OnError::Halt,
    );
    let lost = chain(AsyncHook::before(forever).circuit(bench.circuit.clone()));
    for _ in 0..2 {
        bench.run(Act::Fail);
    }
    bench.pass_time(10);
    let mut dropped = visit(Act::Pass);
    let mut skipped = vec![];
    tokio::select! {
        biased;
        _ = lost.run(&mut dropped, waiting_core, &mut skipped) => panic!("it waits for ever"),
        () = yield_now() => {}
    }
    assert_eq!(bench.circuit.state(), BreakerState::HalfOpen);
    assert_eq!(bench.run(Act::Pass).ended, Err(Cause::CircuitOpen));
    bench.pass_time(10);
    assert_eq!(bench.run(Act::Pass).ended, Ok(()));
    assert_eq!(bench.circuit.state(), BreakerState::Closed);
    let closed = bench.told().pop().unwrap();
    assert_eq!(
        (closed.1, closed.2),
        (BreakerState::Closed, TransitionReason::TrialsPassed)
    );
}

#[tokio::test]
async fn a_sync_chain_in_an_async_one_fails_as_a_whole_and_refuses_as_a_whole() {
    let inner = super::bench::hook(HookKind::Before);
    let inner = Chain::new("inner", vec![Attachment::new("in", 1, inner)], |_| &[]).unwrap();
    let circuit = Circuit::with_clock(settings(), || 1);
    let chain = chain(AsyncHook::before_chain(inner.into()).circuit(circuit.clone()));
    for act in [Act::Refuse, Act::Refuse, Act::Fail, Act::Panic] {
        assert_eq!(circuit.state(), BreakerState::Closed);
        let run = chain.run(&mut visit(act), waiting_core, &mut vec![]).await;
        assert!(matches!(run, Err(RunError::Hook(error)) if error.plugin == "in".into()));
    }
    assert_eq!(circuit.state(), BreakerState::Open);
}

#[tokio::test]
async fn a_blocking_hook_keeps_its_circuit() {
    struct Words;
    impl pipeline_core::hook::ContextFamily for Words {
        type Context<'a> = String;
        type Error = Said;
    }
    let circuit = Circuit::with_clock(settings(), || 1);
    let hook = Hook::<Words>::before(|_: &mut String| Err(Said::Down)).circuit(circuit.clone());
    let hook = AsyncHook::blocking(&hook).unwrap();
    let chain = AsyncChain::new("step", vec![Attachment::new("flaky", 1, hook)], |_| &[]).unwrap();
    let core = async |_: &mut String| Ok(());
    for _ in 0..3 {
        let _ = chain.run(&mut String::new(), core, &mut vec![]).await;
    }
    assert_eq!(
        (circuit.state(), circuit.counts().refused),
        (BreakerState::Open, 1)
    );
}

#[tokio::test]
async fn listeners_that_wait_have_circuits_too() {
    async fn hear(visit: &Visit) -> Result<u8, Said> {
        act(&mut visit.clone()).map(|()| 7)
    }
    let circuit = Circuit::with_clock(settings(), || 1);
    let listener = AsyncListener::new(hear)
        .circuit(circuit.clone())
        .on_error(pipeline_core::hook::OnError::Skip);
    let hooks = vec![Attachment::new("flaky", 1, listener)];
    let listeners = AsyncListeners::<Visits, u8>::new("step", hooks, |_| &[]).unwrap();
    assert_eq!(listeners.describe().hooks[0].circuit, Some(settings()));
    let one = std::num::NonZeroUsize::MIN;
    let mut skipped = vec![];
    for act in [Act::Fail, Act::Panic, Act::Pass] {
        let heard = listeners.collect(&visit(act), one, &mut skipped).await;
        assert_eq!(heard.unwrap(), [0; 0]);
    }
    let causes: Vec<_> = skipped.into_iter().map(|error| error.cause).collect();
    assert_eq!(
        causes,
        [
            Cause::Failed(Said::Down),
            Cause::Panicked("ouch".to_owned()),
            Cause::CircuitOpen
        ]
    );
    assert_eq!(listeners.reset_circuits(&"flaky".into()), 1);
    assert_eq!(
        listeners
            .collect(&visit(Act::Pass), one, &mut vec![])
            .await
            .unwrap(),
        [7]
    );
}
