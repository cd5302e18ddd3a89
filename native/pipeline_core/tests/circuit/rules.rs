//! Beyond the tables: errors, neighbours, descriptions, resets.

use std::sync::{Arc, Mutex};

use pipeline_core::breaker::{BreakerState, TransitionReason};
use pipeline_core::hook::{
    Attachment, Cause, Chain, Circuit, Flow, Hook, HookError, HookKind, OnError, RunFailure,
};

use super::bench::{Act, Said, Visit, Visits, core, hook, settings};

fn visit(act: Act) -> Visit {
    Visit { act, trail: vec![] }
}

fn closed_for_good() -> Circuit {
    Circuit::with_clock(settings(), || 1)
}

fn marking(mark: &'static str) -> Hook<Visits> {
    Hook::before(move |visit: &mut Visit| {
        visit.trail.push(mark);
        Ok(Flow::Continue)
    })
}

fn chain(hooks: Vec<(&'static str, Hook<Visits>)>) -> Chain<Visits> {
    let hooks = hooks.into_iter().zip(0..);
    let hooks = hooks.map(|((plugin, hook), number)| Attachment::new(plugin, number, hook));
    Chain::new("step", hooks.collect(), |_| &[]).unwrap()
}

#[test]
fn the_error_says_what_to_do() {
    let chain = chain(vec![(
        "flaky",
        hook(HookKind::Before).circuit(closed_for_good()),
    )]);
    for _ in 0..2 {
        let _ = chain.run(&mut visit(Act::Fail), core, &mut vec![]);
    }
    let failure = chain
        .run(&mut visit(Act::Pass), core, &mut vec![])
        .unwrap_err();
    assert_eq!(
        failure.to_string(),
        "the before hook of flaky on step was not called: it has failed too often and its circuit is open; it is tried \
         again after its cool-down, or close it with `reset_circuits`"
    );
    let RunFailure::Hook(error) = failure else {
        panic!("{failure}")
    };
    let written = serde_json::to_value(error.without_details()).unwrap();
    assert_eq!(written["cause"], "circuit_open");
}

#[test]
fn neighbours_run_as_ever_and_failures_keep_their_names() {
    let fails = Hook::before(|_: &mut Visit| Err(Said::Down)).on_error(OnError::Skip);
    let circuit = closed_for_good();
    let flaky = hook(HookKind::Before)
        .circuit(circuit.clone())
        .on_error(OnError::Skip);
    let chain = chain(vec![
        ("a", marking("a")),
        ("skipped", fails),
        ("flaky", flaky),
        ("b", marking("b")),
        ("last", hook(HookKind::Before)),
    ]);
    let mut skipped = vec![];
    let mut passing = visit(Act::Pass);
    chain.run(&mut passing, core, &mut skipped).unwrap();
    assert_eq!(passing.trail, ["a", "hook", "b", "hook", "core"]);
    for _ in 0..2 {
        let failure = chain
            .run(&mut visit(Act::Panic), core, &mut skipped)
            .unwrap_err();
        assert!(
            matches!(failure, RunFailure::Hook(HookError { plugin, index: 4, .. }) if plugin == "last".into())
        );
    }
    skipped.clear();
    let mut without = visit(Act::Pass);
    chain.run(&mut without, core, &mut skipped).unwrap();
    assert_eq!(without.trail, ["a", "b", "hook", "core"]);
    let named: Vec<_> = skipped
        .iter()
        .map(|error| (error.plugin.to_string(), error.index, &error.cause))
        .collect();
    assert_eq!(
        named,
        [
            ("skipped".to_owned(), 1, &Cause::Failed(Said::Down)),
            ("flaky".to_owned(), 2, &Cause::CircuitOpen)
        ]
    );
}

#[test]
fn an_early_answer_passes() {
    let circuit = closed_for_good();
    let answers = Hook::before(|visit: &mut Visit| {
        super::bench::act(visit)?;
        Ok(Flow::Answer)
    });
    let chain = chain(vec![
        ("flaky", answers.circuit(circuit.clone())),
        ("b", marking("b")),
    ]);
    let mut visit = visit(Act::Pass);
    chain.run(&mut visit, core, &mut vec![]).unwrap();
    assert_eq!(visit.trail, ["hook"]);
}

#[test]
fn a_hook_around_sees_that_it_was_not_called_and_has_not_failed() {
    let seen = Arc::new(Mutex::new(vec![]));
    let causes = seen.clone();
    let outer = closed_for_good();
    let around = Hook::around_fn(move |visit: &mut Visit, next| {
        let inner = next.call(visit);
        if let Some(RunFailure::Hook(error)) = next.failure() {
            causes.lock().unwrap().push(error.cause.clone());
        }
        Ok(inner?)
    });
    let chain = chain(vec![
        ("outer", around.circuit(outer.clone())),
        ("flaky", hook(HookKind::Before).circuit(closed_for_good())),
    ]);
    for _ in 0..3 {
        let failed = chain.run(&mut visit(Act::Fail), core, &mut vec![]);
        assert!(matches!(failed, Err(RunFailure::Hook(error)) if error.plugin == "flaky".into()));
    }
    assert_eq!(
        *seen.lock().unwrap(),
        [
            Cause::Failed(Said::Down),
            Cause::Failed(Said::Down),
            Cause::CircuitOpen
        ]
    );
    assert_eq!(outer.counts().failures, 0);
}

#[test]
fn a_closed_circuit_reads_no_clock() {
    let circuit = Circuit::with_clock(settings(), || panic!("it asked"));
    let chain = chain(vec![("flaky", hook(HookKind::Before).circuit(circuit))]);
    chain.run(&mut visit(Act::Pass), core, &mut vec![]).unwrap();
}

#[test]
fn a_hook_that_is_not_called_costs_no_copy() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Debug)]
    struct Counted(Arc<AtomicUsize>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::Relaxed);
            Self(self.0.clone())
        }
    }
    struct Counting;
    impl pipeline_core::hook::ContextFamily for Counting {
        type Context<'a> = Counted;
        type Error = Said;
    }
    for wraps in [false, true] {
        let hook = if wraps {
            Hook::<Counting>::around_fn(|_: &mut Counted, _| Err(Said::Down.into()))
        } else {
            Hook::before(|_: &mut Counted| Err(Said::Down))
        };
        let hook = hook.on_error(OnError::Skip).circuit(closed_for_good());
        let chain = Chain::new("step", vec![Attachment::new("flaky", 1, hook)], |_| &[]).unwrap();
        let copies = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            chain
                .run(&mut Counted(copies.clone()), |_| Ok(()), &mut vec![])
                .unwrap();
        }
        assert_eq!(copies.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn a_chain_describes_its_circuits_and_closes_them() {
    let changes = Arc::new(Mutex::new(vec![]));
    let told = changes.clone();
    let circuit = closed_for_good();
    let chain = chain(vec![
        ("a", marking("a")),
        ("flaky", hook(HookKind::After)),
        ("flaky", hook(HookKind::After).circuit(circuit.clone())),
    ])
    .on_circuit_change(move |change| told.lock().unwrap().push(change.clone()));
    let described = chain.describe();
    let circuits: Vec<_> = described.hooks.iter().map(|hook| hook.circuit).collect();
    assert_eq!(circuits, [None, None, Some(settings())]);
    let written = serde_json::to_value(&described).unwrap();
    assert_eq!(
        written["hooks"][2]["circuit"],
        serde_json::json!({"failures": 2, "window": 100, "cool_down": 10, "trials": 1})
    );
    assert!(written["hooks"][1].get("circuit").is_none());
    let listed: Vec<_> = chain
        .circuits()
        .map(|(kind, plugin, circuit)| (kind, plugin.to_string(), circuit.state()))
        .collect();
    assert_eq!(
        listed,
        [(HookKind::After, "flaky".to_owned(), BreakerState::Closed)]
    );

    assert_eq!(chain.reset_circuits(&"a".into()), 0);
    assert_eq!(chain.reset_circuits(&"flaky".into()), 1);
    assert!(changes.lock().unwrap().is_empty());
    let direct = Chain::new(
        "other",
        vec![Attachment::new(
            "same",
            1,
            hook(HookKind::After).circuit(circuit.clone()),
        )],
        |_| &[],
    )
    .unwrap();
    for _ in 0..2 {
        let _ = direct.run(&mut visit(Act::Fail), core, &mut vec![]);
    }
    assert_eq!(circuit.state(), BreakerState::Open);
    assert_eq!(chain.reset_circuits(&"flaky".into()), 1);
    assert_eq!(circuit.state(), BreakerState::Closed);
    let changes = changes.lock().unwrap();
    let [change] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!(
        (change.from, change.to, change.reason, change.index),
        (
            BreakerState::Open,
            BreakerState::Closed,
            TransitionReason::Reset,
            1
        )
    );
}
