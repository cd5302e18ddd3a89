//! Hooks: what they are called with, the kinds they come in, the order they stand in, and the chains they
//! form.
//!
//! A hook changes its context in place. [`Before`], [`After`], [`Around`] and [`Replace`] hooks of one point
//! form a [`Chain`]; [`Listen`] hooks stand on points of their own, as [`Listeners`]. Functions and closures
//! are hooks too. A [`Circuit`] keeps a hook that fails too often from being called for a while.

mod around;
#[cfg(feature = "async")]
pub mod asynchronous;
mod attachment;
mod callback;
mod chain;
mod chain_error;
mod circuit;
mod closure;
mod description;
mod failure;
mod family;
mod flat;
mod kind;
mod listen;
mod listing;
mod next;
pub mod order;
mod point;
mod policy;
mod step;
pub mod verdict;
mod wrap;

pub use around::{Around, Inner, Replace, WrapError};
pub use attachment::Attachment;
pub use callback::Hook;
pub use chain::Chain;
pub use chain_error::{ChainError, MAX_NESTING};
pub use circuit::{Circuit, CircuitChange};
pub use description::{ChainDescription, HookDescription};
pub use failure::{Cause, HookError, RunFailure, panic_message};
pub use family::ContextFamily;
pub use kind::{After, Before, Flow, HookKind};
pub use listen::{Listen, Listener, Listeners};
pub use next::Next;
pub use point::{Point, PointName};
pub use policy::OnError;
