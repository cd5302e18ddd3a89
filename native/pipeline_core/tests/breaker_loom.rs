//! Every interleaving of a few callers of a breaker:
//!
//! `RUSTFLAGS="--cfg loom --cfg crossbeam_loom" LOOM_MAX_PREEMPTIONS=3 cargo test -p pipeline_core --release
//! --test breaker_loom`
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use pipeline_core::breaker::{Admission, Breaker, BreakerState, Permit, Settings, Transition};

fn breaker(failures: u32, trials: u32) -> Arc<Breaker> {
    Arc::new(Breaker::new(
        Settings::new(failures, 1_000, 10, trials).unwrap(),
    ))
}

fn admitted(breaker: &Breaker) -> Permit {
    match breaker.admit(|| 0) {
        Admission::Admitted(permit) => permit,
        other => panic!("a closed breaker gave {other:?}"),
    }
}

fn open(breaker: &Breaker) {
    let permit = admitted(breaker);
    assert!(breaker.failed(permit, 1).is_some());
}

/// The answer to each of the two.
fn both<T: 'static>(
    breaker: &Arc<Breaker>,
    call: impl Fn(&Breaker, u64) -> T + Clone + 'static,
) -> [T; 2] {
    let there = {
        let (breaker, call) = (breaker.clone(), call.clone());
        thread::spawn(move || call(&breaker, 1))
    };
    let here = call(breaker, 2);
    [here, there.join().unwrap()]
}

fn told(moved: &[Option<Transition>], to: BreakerState) -> usize {
    moved
        .iter()
        .flatten()
        .filter(|moved| moved.to == to)
        .count()
}

#[test]
fn the_last_failure_that_it_takes_opens_it_whoever_tells_it() {
    loom::model(|| {
        let breaker = breaker(2, 1);
        let moved = both(&breaker, |breaker, now| {
            let permit = Permit::from_number(0);
            breaker.failed(permit, now)
        });
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(told(&moved, BreakerState::Open), 1);
        assert_eq!(breaker.counts(3).opened, 1);
    });
}

#[test]
fn it_opens_once_when_more_fail_than_it_takes() {
    loom::model(|| {
        let breaker = breaker(1, 1);
        let moved = both(&breaker, |breaker, now| {
            breaker.failed(Permit::from_number(0), now)
        });
        assert_eq!(told(&moved, BreakerState::Open), 1);
        assert_eq!(breaker.counts(3).opened, 1);
    });
}

#[test]
fn one_is_on_trial_at_a_time() {
    loom::model(|| {
        let breaker = breaker(1, 1);
        open(&breaker);
        let admissions = both(&breaker, |breaker, now| breaker.admit(|| 10 + now));
        let trials = admissions
            .iter()
            .filter(|admission| matches!(admission, Admission::Trial(_, Some(_))));
        assert_eq!(trials.count(), 1);
        assert!(admissions.contains(&Admission::Refused));
    });
}

#[test]
fn one_takes_the_place_of_a_trial_that_does_not_end() {
    loom::model(|| {
        let breaker = breaker(1, 1);
        open(&breaker);
        let Admission::Trial(lost, Some(_)) = breaker.admit(|| 20) else {
            panic!("it was to half-open")
        };
        let admissions = both(&breaker, |breaker, now| breaker.admit(|| 40 + now));
        assert!(admissions.contains(&Admission::Trial(lost, None)));
        assert!(admissions.contains(&Admission::Refused));
    });
}

#[test]
fn a_trial_that_fails_beside_one_that_passes_leaves_it_open() {
    loom::model(|| {
        let breaker = breaker(1, 2);
        open(&breaker);
        for now in [20, 21] {
            assert!(matches!(breaker.admit(|| now), Admission::Trial(_, _)));
        }
        let Admission::Refused = breaker.admit(|| 22) else {
            panic!("two are on trial")
        };
        let permit = Permit::from_number(2);
        let moved = both(&breaker, move |breaker, which| {
            if which == 1 {
                breaker.failed(permit, 25)
            } else {
                breaker.passed(permit)
            }
        });
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(told(&moved, BreakerState::Open), 1);
    });
}

#[test]
fn a_late_failure_does_not_undo_a_reset() {
    loom::model(|| {
        let breaker = breaker(1, 1);
        let permit = admitted(&breaker);
        let moved = both(&breaker, move |breaker, which| {
            if which == 1 {
                breaker.failed(permit, 1)
            } else {
                breaker.reset()
            }
        });
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(
            told(&moved, BreakerState::Open),
            told(&moved, BreakerState::Closed)
        );
    });
}
