//! Many threads at one hook.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use pipeline_core::breaker::{BreakerState, Settings};
use pipeline_core::hook::{Attachment, Cause, Chain, Circuit, Flow, Hook, RunFailure};

use super::bench::{Act, Said, Visit, Visits, core};

const THREADS: usize = 4;

#[test]
fn each_change_is_told_once_however_many_make_it() {
    // Each reading of the clock is a cool-down later than the one before.
    let clock = AtomicU64::new(1);
    let settings = Settings::new(1, 1, 1, 1).unwrap();
    let circuit = Circuit::with_clock(settings, move || clock.fetch_add(1, Ordering::Relaxed));
    let calls = Arc::new(AtomicUsize::new(0));
    let called = calls.clone();
    let hook = Hook::<Visits>::before(move |_: &mut Visit| {
        called.fetch_add(1, Ordering::Relaxed);
        Err(Said::Down)
    });
    let told = Arc::new(Mutex::new(vec![]));
    let tell = told.clone();
    let hooks = vec![Attachment::new("flaky", 1, hook.circuit(circuit.clone()))];
    let chain = Chain::new("step", hooks, |_| &[])
        .unwrap()
        .on_circuit_change(move |change| tell.lock().unwrap().push((change.from, change.to)));
    let refused = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..2_000 {
                    let mut visit = Visit {
                        act: Act::Fail,
                        trail: vec![],
                    };
                    match chain.run(&mut visit, core, &mut vec![]) {
                        Err(RunFailure::Hook(error)) if error.cause == Cause::CircuitOpen => {
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                        Err(RunFailure::Hook(_)) => failed.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other:?}"),
                    };
                }
            });
        }
    });
    let counts = circuit.counts();
    let (refused, failed) = (refused.into_inner(), failed.into_inner());
    assert_eq!(refused + failed, THREADS * 2_000);
    assert_eq!(counts.refused, refused as u64);
    assert_eq!(calls.load(Ordering::Relaxed), failed);
    let told = told.lock().unwrap();
    let count = |from, to| told.iter().filter(|change| **change == (from, to)).count();
    // Never closed again: it opened once at first, and then by each trial that failed. The last may not have
    // ended.
    assert_eq!(count(BreakerState::Closed, BreakerState::Open), 1);
    assert_eq!(
        count(BreakerState::Open, BreakerState::HalfOpen),
        count(BreakerState::HalfOpen, BreakerState::Open)
    );
    assert_eq!(
        counts.opened,
        1 + count(BreakerState::HalfOpen, BreakerState::Open) as u64
    );
    assert_eq!(circuit.state(), BreakerState::Open);
}

#[test]
fn of_many_that_come_at_once_one_is_on_trial() {
    let clock = Arc::new(AtomicU64::new(1));
    let read = clock.clone();
    let settings = Settings::new(1, 1, 1, 1).unwrap();
    let circuit = Circuit::with_clock(settings, move || read.load(Ordering::Relaxed));
    let (calls, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (called, others) = (calls.clone(), refused.clone());
    let hook = Hook::<Visits>::before(move |visit: &mut Visit| {
        if visit.act == Act::Fail {
            return Err(Said::Down);
        }
        called.fetch_add(1, Ordering::AcqRel);
        // Stays until all others have come.
        while called.load(Ordering::Acquire) + others.load(Ordering::Acquire) < THREADS {
            thread::yield_now();
        }
        Ok(Flow::Continue)
    });
    let hooks = vec![Attachment::new("flaky", 1, hook.circuit(circuit.clone()))];
    let chain = Chain::new("step", hooks, |_| &[]).unwrap();
    let run = |act| {
        let mut visit = Visit { act, trail: vec![] };
        chain.run(&mut visit, core, &mut vec![])
    };
    assert!(run(Act::Fail).is_err());
    clock.store(2, Ordering::Relaxed);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                if run(Act::Pass).is_err() {
                    refused.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
    });
    assert_eq!(
        (
            calls.load(Ordering::Relaxed),
            refused.load(Ordering::Relaxed)
        ),
        (1, THREADS - 1)
    );
    assert_eq!(circuit.state(), BreakerState::Closed);
}
