//! A breaker does what a naive model does, which keeps every failure and asks a clock of its own.
#![cfg(not(loom))]

use pipeline_core::breaker::{
    Admission, Breaker, BreakerState, MAX_COUNT, Permit, Settings, SettingsError, Transition,
    TransitionReason,
};
use proptest::prelude::*;

/// The report of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Admitted,
    Trial(Option<Transition>),
    Refused,
    Ended(Option<Transition>),
}

struct Model {
    failures: usize,
    window: u64,
    cool_down: u64,
    trials: usize,
    state: BreakerState,
    /// Counts the transitions.
    era: usize,
    failed_at: Vec<u64>,
    since: u64,
    begun: usize,
    passed: usize,
}

impl Model {
    fn to(&mut self, to: BreakerState, reason: TransitionReason, now: u64) -> Option<Transition> {
        let from = self.state;
        (self.state, self.since, self.begun, self.passed) = (to, now, 0, 0);
        self.failed_at.clear();
        self.era += 1;
        (from != to).then_some(Transition { from, to, reason })
    }

    fn admit(&mut self, now: u64) -> Told {
        let rested = now - self.since >= self.cool_down;
        let mut moved = None;
        match self.state {
            BreakerState::Closed => return Told::Admitted,
            BreakerState::Open if rested => {
                moved = self.to(BreakerState::HalfOpen, TransitionReason::CoolDown, now);
            }
            BreakerState::HalfOpen if self.begun < self.trials => {}
            BreakerState::HalfOpen if rested => self.begun = 0,
            _ => return Told::Refused,
        }
        self.begun += 1;
        self.since = now;
        Told::Trial(moved)
    }

    fn end(&mut self, era: usize, fails: bool, now: u64) -> Option<Transition> {
        if era != self.era {
            return None;
        }
        match (self.state, fails) {
            (BreakerState::Closed, true) => {
                self.failed_at.push(now);
                (self.recent(now) >= self.failures)
                    .then(|| self.to(BreakerState::Open, TransitionReason::Failures, now))?
            }
            (BreakerState::HalfOpen, true) => {
                self.to(BreakerState::Open, TransitionReason::TrialFailed, now)
            }
            (BreakerState::HalfOpen, false) => {
                self.passed += 1;
                (self.passed == self.trials)
                    .then(|| self.to(BreakerState::Closed, TransitionReason::TrialsPassed, now))?
            }
            _ => None,
        }
    }

    fn recent(&self, now: u64) -> usize {
        let recent = |at: &&u64| now - **at < self.window;
        self.failed_at.iter().filter(recent).count()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Begin,
    /// One of the calls that have begun, by its place among them.
    End(usize, bool),
    Reset,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..60_u64).prop_map(Step::Wait),
        5 => Just(Step::Begin),
        6 => (any::<usize>(), prop::bool::weighted(0.6)).prop_map(|(which, fails)| Step::End(which, fails)),
        1 => Just(Step::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_breaker_does_what_the_model_does(
        failures in 1..5_u32,
        window in 1..150_u64,
        cool_down in 1..100_u64,
        trials in 1..4_u32,
        steps in prop::collection::vec(any_step(), 0..120),
    ) {
        let breaker = Breaker::new(Settings::new(failures, window, cool_down, trials).unwrap());
        let mut model = Model {
            failures: failures as usize,
            window,
            cool_down,
            trials: trials as usize,
            state: BreakerState::Closed,
            era: 0,
            failed_at: Vec::new(),
            since: 0,
            begun: 0,
            passed: 0,
        };
        let mut now = 0;
        let mut running: Vec<(Permit, usize)> = Vec::new();
        let (mut opened, mut refused) = (0, 0);
        for step in steps {
            let (told, expected) = match step {
                Step::Wait(time) => {
                    now += time;
                    continue;
                }
                Step::Begin => {
                    let expected = model.admit(now);
                    let told = match breaker.admit(|| now) {
                        Admission::Admitted(permit) => {
                            running.push((permit, model.era));
                            Told::Admitted
                        }
                        Admission::Trial(permit, moved) => {
                            running.push((permit, model.era));
                            Told::Trial(moved)
                        }
                        Admission::Refused => Told::Refused,
                    };
                    refused += u64::from(told == Told::Refused);
                    (told, expected)
                }
                Step::End(which, fails) => {
                    if running.is_empty() {
                        continue;
                    }
                    let (permit, era) = running.swap_remove(which % running.len());
                    let expected = model.end(era, fails, now);
                    let told = if fails {
                        breaker.failed(permit, now)
                    } else {
                        breaker.passed(permit)
                    };
                    opened += u64::from(told.is_some_and(|told| told.to == BreakerState::Open));
                    (Told::Ended(told), Told::Ended(expected))
                }
                Step::Reset => {
                    let expected = model.to(BreakerState::Closed, TransitionReason::Reset, now);
                    (Told::Ended(breaker.reset()), Told::Ended(expected))
                }
            };
            prop_assert_eq!(told, expected);
            let counts = breaker.counts(now);
            prop_assert_eq!(counts.state, model.state);
            prop_assert_eq!((counts.opened, counts.refused), (opened, refused));
            if model.state == BreakerState::Closed {
                prop_assert_eq!(counts.failures as usize, model.recent(now));
            }
        }
    }
}

#[test]
fn a_closed_breaker_asks_for_no_time() {
    let breaker = Breaker::new(Settings::new(1, 1, 1, 1).unwrap());
    assert!(matches!(
        breaker.admit(|| panic!("it asked")),
        Admission::Admitted(_)
    ));
}

#[test]
fn settings_say_what_is_wrong_with_them() {
    for (settings, sentence) in [
        (
            Settings::new(0, 1, 1, 1),
            "a breaker opens after 1 to 1024 failures, not after 0",
        ),
        (
            Settings::new(1, 0, 1, 1),
            "the window of a breaker is at least a nanosecond",
        ),
        (
            Settings::new(1, 1, 0, 1),
            "the cool-down of a breaker is at least a nanosecond",
        ),
        (
            Settings::new(1, 1, 1, MAX_COUNT + 1),
            "a breaker closes after 1 to 1024 trials, not after 1025",
        ),
    ] {
        assert_eq!(settings.unwrap_err().to_string(), sentence);
    }
    let written = r#"{"failures":0,"window":1,"cool_down":1,"trials":1}"#;
    assert!(serde_json::from_str::<Settings>(written).is_err());
    assert_eq!(
        Settings::new(2000, 1, 1, 1),
        Err(SettingsError::Failures(2000))
    );
    assert!(
        Breaker::new(Settings::new(MAX_COUNT, 1, 1, MAX_COUNT).unwrap()).settings()
            != Settings::new(1, 1, 1, 1).unwrap()
    );
}

#[test]
fn the_most_that_it_counts_it_counts() {
    let settings = Settings::new(MAX_COUNT, u64::MAX, 1, MAX_COUNT).unwrap();
    let breaker = Breaker::new(settings);
    let fail = |now| {
        let Admission::Admitted(permit) = breaker.admit(|| now) else {
            panic!("closed")
        };
        breaker.failed(permit, now)
    };
    for now in 1..u64::from(MAX_COUNT) {
        assert_eq!(fail(now), None);
    }
    assert_eq!(fail(5000).unwrap().reason, TransitionReason::Failures);
    for trial in 1..=MAX_COUNT {
        let Admission::Trial(permit, _) = breaker.admit(|| 6000) else {
            panic!("half-open")
        };
        assert_eq!(breaker.passed(permit).is_some(), trial == MAX_COUNT);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}
