//! Native arounds: hooks that wrap what is inside them, in two halves.
//!
//! A native function cannot call Elixir's `next`. So an around is asked twice: [`enter`](NativeAround::enter)
//! works on the context on its way in and [`leave`](NativeAround::leave) on what came out; the caller calls
//! `next` in between, in its own process. What an around remembers from the one to the other is its
//! [`State`](NativeAround::State).

mod configured;
mod ended;
mod native_around;
mod nifs;
mod visit;

pub use configured::ConfiguredAround;
pub use ended::{Ended, FailureKind, InnerFailure};
pub use native_around::{Enter, Leave, NativeAround};

pub(crate) use native_around::DynNativeAround;
pub(crate) use visit::Visit;
