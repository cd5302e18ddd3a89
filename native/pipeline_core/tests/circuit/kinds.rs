//! The effect of an open circuit, for each kind of hook and each way to run it.

use pipeline_core::breaker::{BreakerState, TransitionReason};
use pipeline_core::hook::{Cause, HookKind, OnError};

use super::bench::{Act, Bench, Ran, Said, WAYS};

const KINDS: [HookKind; 4] = [
    HookKind::Around,
    HookKind::Before,
    HookKind::Replace,
    HookKind::After,
];

fn each(on_error: OnError, check: impl Fn(HookKind, Bench)) {
    for way in WAYS {
        for kind in KINDS {
            check(kind, Bench::new(*way, kind, on_error));
        }
    }
}

/// The trail of a run in which the hook is called and passes.
fn whole(kind: HookKind) -> Vec<&'static str> {
    match kind {
        HookKind::After => vec!["core", "hook"],
        _ => vec!["hook", "core"],
    }
}

#[test]
fn a_hook_that_fails_often_is_called_no_more_then_on_trial_then_again() {
    each(OnError::Halt, |kind, bench| {
        for _ in 0..2 {
            assert_eq!(bench.run(Act::Fail).ended, Err(Cause::Failed(Said::Down)));
        }
        assert_eq!(
            bench.told(),
            [(
                BreakerState::Closed,
                BreakerState::Open,
                TransitionReason::Failures,
                1
            )]
        );
        let refused = bench.run(Act::Pass);
        assert_eq!(refused.ended, Err(Cause::CircuitOpen), "{kind}");
        assert!(!refused.trail.contains(&"hook"));
        assert_eq!(bench.circuit.counts().refused, 1);
        assert_eq!(bench.told(), []);

        bench.pass_time(10);
        assert_eq!(
            bench.run(Act::Panic).ended,
            Err(Cause::Panicked("ouch".to_owned()))
        );
        assert_eq!(
            bench.told(),
            [
                (
                    BreakerState::Open,
                    BreakerState::HalfOpen,
                    TransitionReason::CoolDown,
                    1
                ),
                (
                    BreakerState::HalfOpen,
                    BreakerState::Open,
                    TransitionReason::TrialFailed,
                    2
                )
            ]
        );
        bench.pass_time(10);
        assert_eq!(bench.run(Act::Pass).trail, whole(kind));
        assert_eq!(
            bench.told(),
            [
                (
                    BreakerState::Open,
                    BreakerState::HalfOpen,
                    TransitionReason::CoolDown,
                    2
                ),
                (
                    BreakerState::HalfOpen,
                    BreakerState::Closed,
                    TransitionReason::TrialsPassed,
                    2
                )
            ]
        );
        assert_eq!(bench.run(Act::Pass).ended, Ok(()));
        assert_eq!(bench.told(), []);
    });
}

#[test]
fn a_hook_that_is_skipped_is_left_out_and_the_run_says_so() {
    each(OnError::Skip, |kind, bench| {
        for _ in 0..2 {
            let ran = bench.run(Act::Fail);
            assert_eq!(
                (ran.ended, ran.skipped),
                (Ok(()), vec![Cause::Failed(Said::Down)])
            );
        }
        let left_out = Ran {
            ended: Ok(()),
            skipped: vec![Cause::CircuitOpen],
            trail: vec!["core"],
        };
        assert_eq!(bench.run(Act::Pass), left_out, "{kind}");
        bench.pass_time(10);
        assert_eq!(bench.run(Act::Pass).trail, whole(kind));
        assert_eq!(bench.circuit.state(), BreakerState::Closed);
    });
}

#[test]
fn refusals_open_nothing_and_a_trial_that_refuses_has_passed() {
    each(OnError::Halt, |_, bench| {
        for _ in 0..3 {
            let ran = bench.run(Act::Refuse);
            assert_eq!(ran.ended, Err(Cause::Failed(Said::NotAllowed)));
        }
        assert_eq!(bench.circuit.counts().failures, 0);
        for _ in 0..2 {
            bench.run(Act::Fail);
        }
        assert_eq!(bench.circuit.state(), BreakerState::Open);
        bench.pass_time(10);
        bench.run(Act::Refuse);
        assert_eq!(bench.circuit.state(), BreakerState::Closed);
    });
}

#[test]
fn what_fails_behind_a_hook_is_no_failure_of_it() {
    each(OnError::Halt, |_, bench| {
        for _ in 0..3 {
            assert_eq!(bench.run(Act::HandOn).ended, Ok(()));
        }
        assert_eq!(bench.circuit.counts().failures, 0);
    });
}
