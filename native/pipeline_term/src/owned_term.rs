use parking_lot::Mutex;
use rustler::env::{OwnedEnv, SavedTerm};
use rustler::{Env, Term};
use std::fmt;

/// A copy of any term that belongs to no process, for a hook to keep from one run to another.
///
/// Unlike [`Data`](crate::Data) it holds what native code cannot look into: process identifiers, functions,
/// integers of any size. Who copies it out waits while another does.
pub struct OwnedTerm(Mutex<(OwnedEnv, SavedTerm)>);

impl OwnedTerm {
    /// Copies a term.
    pub fn new(term: Term<'_>) -> Self {
        let env = OwnedEnv::new();
        let term = env.save(term);
        Self(Mutex::new((env, term)))
    }

    /// Copies it into an environment.
    pub fn copy_to<'a>(&self, env: Env<'a>) -> Term<'a> {
        let guard = self.0.lock();
        let (own, term) = &*guard;
        own.run(|own| term.load(own).in_env(env))
    }
}

impl fmt::Debug for OwnedTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnedTerm")
    }
}
