//! The native library that `Pipeline.Native` loads: it decodes terms, calls the core and encodes what comes
//! back.
//!
//! The functions that run native hooks come from `pipeline_term`, as in every library with hooks.

// `shared_term` is the one file that may: it opens with the argument.
#![deny(unsafe_code)]
// A NIF owns its arguments: they are decoded for it.
#![allow(clippy::needless_pass_by_value)]

mod background;
mod discovery;
mod hook_order;
mod id;
mod interner;
mod lifecycle;
mod manifest;
mod manifest_terms;
#[cfg(feature = "counting")]
mod memory;
mod registry;
mod requirement;
mod resolution;
#[allow(unsafe_code)]
mod shared_term;
mod solve;

rustler::init!("Elixir.Pipeline.Native", load = pipeline_term::load);
