//! Circuits of hooks: breakers of the core that terms hold, asked by Elixir code or within a segment.

mod change;
mod nifs;
mod resource;

pub(crate) use change::Change;
pub(crate) use resource::{BreakerResource, Circuit};
