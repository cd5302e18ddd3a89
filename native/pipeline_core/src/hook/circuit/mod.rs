//! Circuits of hooks: a breaker with a clock, the call that it let through, and the change that such a call
//! makes.

mod admitted;
mod change;
mod handle;

pub(super) use admitted::Admitted;
pub use change::CircuitChange;
pub(super) use change::Observer;
pub use handle::Circuit;
