use std::fmt;

use super::atomics::{AtomicU64, Ordering};
use super::failures::Failures;
use super::packed_state::PackedState;
use super::{BreakerState, Settings, Transition, TransitionReason};

/// See the [module documentation](super).
///
/// All of its state is one word, which a transition replaces whole; the caller that replaces it is told of
/// the transition. What belongs to a transition is unchecked before it.
pub struct Breaker {
    settings: Settings,
    word: AtomicU64,
    failures: Failures,
    /// When it opened, or when the last trial began.
    since: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
}

/// The proof that a call was admitted, to be handed back with its result. It need not be: when no trial has
/// begun or ended the state for a cool-down, there is room for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permit {
    generation: u32,
}

/// The answer of a breaker to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Admission {
    /// It may go on. That it passed need not be told.
    Admitted(Permit),
    /// It may go on, and its end decides: tell it.
    Trial(Permit, Option<Transition>),
    /// It may not.
    Refused,
}

/// A breaker's state and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Its state.
    pub state: BreakerState,
    /// The failures that count at the moment: those within the window while it is closed, otherwise those
    /// that opened it.
    pub failures: u32,
    /// How often it has opened.
    pub opened: u64,
    /// How many callers it has refused.
    pub refused: u64,
}

impl Permit {
    fn of(word: PackedState) -> Self {
        Self {
            generation: word.generation(),
        }
    }

    /// The permit as a number, for where it cannot be held.
    pub fn number(self) -> u32 {
        self.generation
    }

    /// The permit of that number.
    pub fn from_number(number: u32) -> Self {
        Self { generation: number }
    }
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            word: AtomicU64::new(PackedState::FIRST.0),
            failures: Failures::new(settings.failures),
            since: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Its settings.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Its state. An open one whose cool-down is over stays open until the next call.
    pub fn state(&self) -> BreakerState {
        self.load().state()
    }

    /// How often it has opened.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Its state and what it has counted.
    pub fn counts(&self, now: u64) -> Counts {
        let word = self.load();
        let failures = match word.state() {
            BreakerState::Closed => self
                .failures
                .recent(word.first(), self.settings.window, now),
            BreakerState::Open | BreakerState::HalfOpen => self.settings.failures,
        };
        Counts {
            state: word.state(),
            failures,
            opened: self.opened(),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Asks for a call. The time is only asked for if the breaker is not closed.
    #[inline]
    pub fn admit(&self, now: impl FnOnce() -> u64) -> Admission {
        let word = PackedState(self.word.load(Ordering::Relaxed));
        if word.state() == BreakerState::Closed {
            Admission::Admitted(Permit::of(word))
        } else {
            self.admit_on_trial(now())
        }
    }

    #[cold]
    fn admit_on_trial(&self, now: u64) -> Admission {
        loop {
            let word = self.load();
            let since = self.since.load(Ordering::Relaxed);
            let rested = now.saturating_sub(since) >= self.settings.cool_down;
            let new = match word.state() {
                BreakerState::Closed => return Admission::Admitted(Permit::of(word)),
                BreakerState::Open if rested => {
                    word.entering(BreakerState::HalfOpen).counting(1, 0)
                }
                BreakerState::HalfOpen if word.first() < self.settings.trials => {
                    word.counting(word.first() + 1, word.second())
                }
                // Those that have the places do not end: others get them. Their end still counts, so the word
                // may stay the same, and the caller that moves the time goes on.
                BreakerState::HalfOpen if rested && self.take(since, now) => {
                    word.counting(1, word.second())
                }
                BreakerState::HalfOpen if rested => continue,
                BreakerState::Open | BreakerState::HalfOpen => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    return Admission::Refused;
                }
            };
            self.since.fetch_max(now, Ordering::Relaxed);
            if self.replace(word, new) {
                let half_opened = word.state() == BreakerState::Open;
                return Admission::Trial(
                    Permit::of(new),
                    half_opened.then(|| {
                        transition(word, BreakerState::HalfOpen, TransitionReason::CoolDown)
                    }),
                );
            }
        }
    }

    fn take(&self, since: u64, now: u64) -> bool {
        self.since
            .compare_exchange(since, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Tells that a call failed. One from before the last transition changes nothing.
    pub fn failed(&self, permit: Permit, now: u64) -> Option<Transition> {
        loop {
            let word = self.load();
            if word.generation() != permit.generation {
                return None;
            }
            match word.state() {
                BreakerState::Open => return None,
                BreakerState::HalfOpen => {
                    if let Some(opened) = self.open(word, now, TransitionReason::TrialFailed) {
                        return Some(opened);
                    }
                }
                BreakerState::Closed => {
                    let place = word.first();
                    if self.replace(word, word.counting(self.failures.after(place), 0)) {
                        self.failures.put(place, now);
                        return self.too_many(permit, now);
                    }
                }
            }
        }
    }

    fn too_many(&self, permit: Permit, now: u64) -> Option<Transition> {
        loop {
            let word = self.load();
            let enough = word.generation() == permit.generation
                && word.state() == BreakerState::Closed
                && word.first() >= self.failures.capacity()
                && self.failures.within(self.settings.window);
            if !enough {
                return None;
            }
            // Another failure in between moves the place and nothing else.
            if let Some(opened) = self.open(word, now, TransitionReason::Failures) {
                return Some(opened);
            }
        }
    }

    fn open(&self, word: PackedState, now: u64, reason: TransitionReason) -> Option<Transition> {
        self.since.fetch_max(now, Ordering::Relaxed);
        self.replace(word, word.entering(BreakerState::Open))
            .then(|| {
                self.opened.fetch_add(1, Ordering::Relaxed);
                transition(word, BreakerState::Open, reason)
            })
    }

    /// Tells that a call did not fail, which only counts of a trial.
    pub fn passed(&self, permit: Permit) -> Option<Transition> {
        loop {
            let word = self.load();
            if word.generation() != permit.generation || word.state() != BreakerState::HalfOpen {
                return None;
            }
            let passed = word.second() + 1;
            let closes = passed == self.settings.trials;
            let new = if closes {
                word.entering(BreakerState::Closed)
            } else {
                word.counting(word.first(), passed)
            };
            if self.replace(word, new) {
                return closes.then(|| {
                    transition(word, BreakerState::Closed, TransitionReason::TrialsPassed)
                });
            }
        }
    }

    /// Closes it, and forgets the failures so far.
    pub fn reset(&self) -> Option<Transition> {
        loop {
            let word = self.load();
            if self.replace(word, word.entering(BreakerState::Closed)) {
                let was_closed = word.state() == BreakerState::Closed;
                return (!was_closed)
                    .then(|| transition(word, BreakerState::Closed, TransitionReason::Reset));
            }
        }
    }

    fn load(&self) -> PackedState {
        PackedState(self.word.load(Ordering::Acquire))
    }

    fn replace(&self, word: PackedState, new: PackedState) -> bool {
        let replaced =
            self.word
                .compare_exchange(word.0, new.0, Ordering::AcqRel, Ordering::Relaxed);
        replaced.is_ok()
    }
}

fn transition(from: PackedState, to: BreakerState, reason: TransitionReason) -> Transition {
    let from = from.state();
    Transition { from, to, reason }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("settings", &self.settings)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
