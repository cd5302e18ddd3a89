//! Hooks: what they are called with, the kinds they come in, and the chains they form.

mod family;
mod kind;

pub use family::ContextFamily;
pub use kind::{After, Before, Flow};
