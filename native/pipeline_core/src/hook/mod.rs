//! Hooks: what they are called with, the kinds they come in, the order they stand in, and the chains they form.

mod family;
mod kind;
mod on_error;
pub mod order;

pub use family::ContextFamily;
pub use kind::{After, Before, Flow, Kind};
pub use on_error::OnError;
