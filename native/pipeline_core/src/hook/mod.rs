//! Hooks: what they are called with, the kinds they come in, the order they stand in, and the chains they form.

mod family;
mod kind;
pub mod order;

pub use family::ContextFamily;
pub use kind::{After, Before, Flow, Kind};
