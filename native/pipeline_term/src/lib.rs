//! Native hooks for Pipeline.Plugin: a term-backed context with a write overlay, and fused segments.
//!
//! A native hook implements [`NativeHook`] and is made known by [`register_hooks!`]. It works on a
//! [`TermContext`]: reads come straight from the caller's map, writes are collected and put into it once,
//! after the last hook of a segment: of the native hooks that stand next to each other. Its configuration is
//! read from a term as [`Data`], by the `Deserialize` of its own type.
//!
//! Three traits make a hook: [`NativeHook`] for what computes, or blocks a thread of its own
//! ([`Cost::Blocking`]); [`NativeAround`] for what wraps others; [`NativeAsyncHook`] for what waits among
//! thousands. The last two are made known by [`register_arounds!`] and [`register_async_hooks!`].
//!
//! A library of one's own links this crate, registers its hooks and calls [`library!`] with the name of its
//! Elixir module, or `rustler::init!` with [`load`] if it has functions of its own to export; it then exports
//! the functions of the module that `use Pipeline.Native.Library` declares. Without the feature `shipped`
//! none of the hooks that Pipeline.Plugin ships are linked.

// `vm` is the one file that may.
#![deny(unsafe_code)]

mod around;
mod blocking;
mod circuit;
mod context;
mod data;
mod deep_stack;
mod failure;
mod family;
mod held;
mod hook;
mod library;
mod measure;
mod owned_term;
mod reason;
mod runtime;
mod schedule;
mod segment;
#[cfg(feature = "shipped")]
mod shipped;
mod term_size;
mod vm;

pub use around::{ConfiguredAround, Ended, Enter, FailureKind, InnerFailure, Leave, NativeAround};
pub use blocking::{Changes, ConfiguredAsyncHook, Fields, NativeAsyncHook};
pub use context::{ContextError, Key, Kind, Path, PathError, TermContext, Value};
pub use data::{AtomName, Data, DataError, ShapeError};
pub use failure::Failure;
pub use family::Terms;
pub use held::load;
pub use hook::{
    ConfigError, ConfigProblem, Configured, ConfiguredHook, Cost, Description, Field, Flow,
    LookupError, NativeHook, PathElement, Phase, Registration,
};
pub use owned_term::OwnedTerm;
pub use reason::{Detail, Reason};
pub use runtime::{Cancellation, JobQueueError, NoRuntime, run_in_background, spawn};
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub use shipped::fuzz;

pub use rustler;
pub use serde;
pub use tokio;

#[doc(hidden)]
pub use inventory;

// The expansion of `rustler::init!` finds these as `rustler::…`; see `library!`.
#[doc(hidden)]
pub use rustler::{Env, Nif, Term, codegen_runtime, sys};
