//! Random runs, against a breaker that is told by hand what the hook did.

use std::sync::atomic::Ordering;

use pipeline_core::breaker::{Admission, Breaker, Permit, Transition};
use pipeline_core::hook::{Cause, HookKind, OnError};
use proptest::prelude::*;
use proptest::sample::select;

use super::bench::{Act, Bench, Said, WAYS, settings};

#[derive(Clone, Debug)]
enum Step {
    Run(Act),
    Wait(u64),
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    let act = select(vec![
        Act::Pass,
        Act::Fail,
        Act::Fail,
        Act::Refuse,
        Act::Panic,
        Act::HandOn,
    ]);
    prop_oneof![
        8 => act.prop_map(Step::Run),
        3 => (1_u64..60).prop_map(Step::Wait),
        1 => Just(Step::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_chain_asks_and_tells_as_a_breaker_wants(
        way in select(WAYS.to_vec()),
        kind in select(vec![HookKind::Around, HookKind::Before, HookKind::Replace, HookKind::After]),
        on_error in select(vec![OnError::Halt, OnError::Skip]),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let bench = Bench::new(way, kind, on_error);
        let oracle = Breaker::new(settings());
        for step in steps {
            let now = bench.clock.load(Ordering::Relaxed);
            let mut told = Vec::new();
            match step {
                Step::Wait(time) => bench.pass_time(time),
                Step::Reset => {
                    prop_assert_eq!(bench.circuit.reset(), oracle.reset());
                }
                // The base operation fails ahead of it.
                Step::Run(Act::HandOn) if kind == HookKind::After => {
                    prop_assert_eq!(bench.run(Act::HandOn).trail, ["core"]);
                }
                Step::Run(act) => {
                    let ran = bench.run(act);
                    let cause = match oracle.admit(|| now) {
                        Admission::Refused => Some(Cause::CircuitOpen),
                        Admission::Admitted(permit) | Admission::Trial(permit, None) => {
                            let (cause, moved) = end(&oracle, permit, act, now);
                            told.extend(moved);
                            cause
                        }
                        Admission::Trial(permit, Some(began)) => {
                            told.push(began);
                            let (cause, moved) = end(&oracle, permit, act, now);
                            told.extend(moved);
                            cause
                        }
                    };
                    let (failed, skipped) = match (cause, on_error) {
                        (None, _) => (Ok(()), vec![]),
                        (Some(cause), OnError::Halt) => (Err(cause), vec![]),
                        (Some(cause), OnError::Skip) => (Ok(()), vec![cause]),
                    };
                    prop_assert_eq!((ran.ended, ran.skipped), (failed, skipped));
                }
            }
            let heard: Vec<_> = bench.told().into_iter().map(|(from, to, reason, _)| (from, to, reason)).collect();
            let told: Vec<_> = told.into_iter().map(|moved| (moved.from, moved.to, moved.reason)).collect();
            prop_assert_eq!(heard, told);
            prop_assert_eq!(bench.circuit.counts(), oracle.counts(bench.clock.load(Ordering::Relaxed)));
        }
    }
}

type Ended = (Option<Cause<Said>>, Option<Transition>);

/// The end of a run in which the hook is called.
fn end(oracle: &Breaker, permit: Permit, act: Act, now: u64) -> Ended {
    match act {
        Act::Fail => (Some(Cause::Failed(Said::Down)), oracle.failed(permit, now)),
        Act::Panic => (
            Some(Cause::Panicked("ouch".to_owned())),
            oracle.failed(permit, now),
        ),
        Act::Refuse => (Some(Cause::Failed(Said::NotAllowed)), oracle.passed(permit)),
        Act::Pass | Act::HandOn => (None, oracle.passed(permit)),
    }
}
