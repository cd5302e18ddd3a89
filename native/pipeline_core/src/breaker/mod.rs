//! A circuit breaker: it counts the failures of something, and keeps callers from it for a while when there
//! are too many.
//!
//! A [`Breaker`] is closed at first. So many failures within a window of time open it; while it is open
//! nothing is admitted. When its cool-down is over the next callers are admitted on trial: it is half-open.
//! Once so many trials have passed it closes, and one that fails opens it again.
//!
//! It has no clock: callers say what time it is, in nanoseconds from any fixed moment. Nothing in it waits,
//! and a call that is admitted while it is closed has cost one relaxed load.
//!
//! ```
//! use pipeline_core::breaker::{Admission, Breaker, Settings, BreakerState};
//!
//! let breaker = Breaker::new(Settings::new(2, 1_000, 500, 1)?);
//! for now in [10, 20] {
//!     let Admission::Admitted(permit) = breaker.admit(|| now) else { unreachable!() };
//!     breaker.failed(permit, now);
//! }
//! assert_eq!(breaker.state(), BreakerState::Open);
//! assert_eq!(breaker.admit(|| 30), Admission::Refused);
//!
//! let Admission::Trial(permit, _) = breaker.admit(|| 520) else { unreachable!() };
//! breaker.passed(permit);
//! assert_eq!(breaker.state(), BreakerState::Closed);
//! # Ok::<_, pipeline_core::breaker::SettingsError>(())
//! ```
//!
//! Hooks of chains have one with a clock: a [`Circuit`](crate::hook::Circuit).
//!
//! The states and their names are those of M. Nygard, *Release It!* (2007).

mod atomics;

mod failures;
mod machine;
mod packed_state;
mod settings;
mod transition;

pub use machine::{Admission, Breaker, Counts, Permit};
pub use settings::{MAX_COUNT, Settings, SettingsError};
pub use transition::{BreakerState, Transition, TransitionReason};
