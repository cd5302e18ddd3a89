//! Work that belongs on no scheduler: it runs on a thread of its own and answers by message.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rustler::env::OwnedEnv;
use rustler::{Encoder, Env, LocalPid, Reference, Term};

use crate::shared_term::SharedTerm;

rustler::atoms! { done, error, panicked, progress }

/// Resolution and its library recurse in places; this is as much as a main thread has.
const STACK: usize = 8 << 20;

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

/// Runs `work` on a thread and sends `{reference, :done, result}`, `{:error, :panicked}` for a result if it panics.
///
/// # Errors
///
/// The system's, when it gives no more threads.
pub(crate) fn run<R: Encode>(
    reply_to: ReplyTo,
    work: impl FnOnce(&ReplyTo) -> R + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("pipeline".to_owned())
        .stack_size(STACK)
        .spawn(
            move || match catch_unwind(AssertUnwindSafe(|| work(&reply_to))) {
                Ok(result) => reply_to.done(&result),
                Err(_) => reply_to.done(&Panicked),
            },
        )
        .map(drop)
}

struct Panicked;

impl Encode for Panicked {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        (error(), panicked()).encode(env)
    }
}
