//! A term that any thread may copy out.
//!
//! This is the only file of the crate with `unsafe` in it. The argument:
//!
//! - The term lives in an environment of its own, which is filled before the `SharedTerm` exists and never
//!   written, cleared or handed out afterwards: there is no method that gives access to it but
//!   [`SharedTerm::copy_to`], which copies the term into another environment.
//! - `enif_make_copy` takes the target environment and the source term, not the source environment. It reads
//!   the source term's memory and counts references of off-heap binaries and of resources, atomically. So any
//!   number of threads may do it at once.
//! - The memory lives as long as the environment, which is freed when the `SharedTerm` is dropped; then
//!   nobody holds a reference to it any more. An environment that belongs to no process may be freed from any
//!   thread.

use rustler::env::{OwnedEnv, SavedTerm};
use rustler::{Env, Term};

/// A copy of a term that belongs to no process.
pub(crate) struct SharedTerm {
    env: OwnedEnv,
    term: SavedTerm,
}

// SAFETY: after construction the environment is only read, by `enif_make_copy`; see the top of the file.
unsafe impl Sync for SharedTerm {}

impl SharedTerm {
    /// Copies a term.
    pub(crate) fn new(term: Term<'_>) -> Self {
        let env = OwnedEnv::new();
        let term = env.save(term);
        Self { env, term }
    }

    /// Copies it into an environment.
    pub(crate) fn copy_to<'a>(&self, env: Env<'a>) -> Term<'a> {
        self.env.run(|own| self.term.load(own).in_env(env))
    }
}
