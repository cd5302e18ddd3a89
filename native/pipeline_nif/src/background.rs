//! Work that belongs on no scheduler: it runs on the library's Tokio runtime and answers by message.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pipeline_term::run_in_background;
use rustler::env::OwnedEnv;
use rustler::{Encoder, Env, LocalPid, Reference, Term};

use crate::shared_term::SharedTerm;

rustler::atoms! { done, error, panicked, progress }

/// Whom to answer: the process that asked, and what it knows the answer by.
pub(crate) struct ReplyTo {
    pid: LocalPid,
    reference: SharedTerm,
}

impl ReplyTo {
    pub(crate) fn new(pid: LocalPid, reference: Reference<'_>) -> Self {
        Self {
            pid,
            reference: SharedTerm::new(*reference),
        }
    }

    /// `{reference, :progress, done, all}`. A receiver that is gone wants no answer.
    pub(crate) fn progress(&self, so_far: usize, all: usize) {
        self.send(|env, reference| (reference, progress(), so_far, all).encode(env));
    }

    fn done<R: Encode>(&self, result: &R) {
        self.send(|env, reference| (reference, done(), result.encode(env)).encode(env));
    }

    fn send(&self, message: impl for<'a> FnOnce(Env<'a>, Term<'a>) -> Term<'a>) {
        let mut target = OwnedEnv::new();
        let _ = target.send_and_clear(&self.pid, |env| message(env, self.reference.copy_to(env)));
    }
}

/// A result that becomes a term once there is an environment for it.
pub(crate) trait Encode {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a>;
}

/// Runs `work` and sends `{reference, :done, result}`, `{:error, :panicked}` for a result if it panics.
///
/// # Errors
///
/// `NoThreads` when the runtime has none to give.
pub(crate) fn run<R: Encode>(
    reply_to: ReplyTo,
    work: impl FnOnce(&ReplyTo) -> R + Send + 'static,
) -> Result<(), NoThreads> {
    run_in_background(
        move || match catch_unwind(AssertUnwindSafe(|| work(&reply_to))) {
            Ok(result) => reply_to.done(&result),
            Err(_) => reply_to.done(&Panicked),
        },
    )
    .map_err(|_| NoThreads)
}

/// The system gives no more threads.
pub(crate) struct NoThreads;

impl From<NoThreads> for rustler::Error {
    fn from(NoThreads: NoThreads) -> Self {
        Self::Atom("no_threads")
    }
}

struct Panicked;

impl Encode for Panicked {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        (error(), panicked()).encode(env)
    }
}
