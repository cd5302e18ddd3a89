//! Native hooks for Pipeline.Plugin: a term-backed context with a write overlay, and fused segments.
//!
//! A native hook implements [`NativeHook`] and is made known by [`register_hooks!`]. It works on a [`TermContext`]:
//! reads come straight from the caller's map, writes are collected and put into it once, after the last hook of a
//! segment: of the native hooks that stand next to each other. Its configuration is read from a term as [`Data`], by the `Deserialize` of its own type.
//!
//! A library of one's own links this crate, registers its hooks and calls [`library!`] with the name of its Elixir
//! module, or `rustler::init!` with [`load`] if it has functions of its own to export; it then exports `native_hooks/0`, `native_hook/2`, `segment/3`,
//! `segment_stats/1`, `run_segment/2` and `run_segment_dirty/2`. Without the
//! feature `shipped` none of the hooks that Pipeline.Plugin ships are linked.

// `vm` is the one file that may.
#![deny(unsafe_code)]

mod context;
mod data;
mod deep_stack;
mod failure;
mod family;
mod hook;
mod library;
mod measure;
mod reason;
mod schedule;
mod segment;
#[cfg(feature = "shipped")]
mod shipped;
mod suggestion;
mod vm;

pub use context::{ContextError, Key, Kind, Path, PathError, TermContext, Value};
pub use data::{AtomName, Data, DataError, ShapeError};
pub use failure::Failure;
pub use family::Terms;
pub use hook::{
    ConfigError, ConfigProblem, Cost, Hook, LookupError, NativeHook, PathElement, Phase,
    Registration,
};
pub use pipeline_core::hook::Flow;
pub use reason::{Detail, Reason};
pub use segment::load;

pub use rustler;
pub use serde;

#[doc(hidden)]
pub use inventory;

// What `rustler::init!` expands to finds these as `rustler::…`; see `library!`.
#[doc(hidden)]
pub use rustler::{Env, Nif, Term, codegen_runtime, sys};
