use crate::failure::Failure;
use pipeline_term::OwnedTerm;
use rustler::{Encoder, Env, LocalPid, NewBinary, OwnedEnv, Term};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

rustler::atoms! {
    event, failed, head, finished, truncated, response,
    network, timeout, too_large, invalid, request, nil
}

/// How many events may lie unread in the caller's mailbox.
const UNREAD: usize = 16;

/// The caller, with the reference that its messages carry.
pub(crate) struct Mailbox {
    pid: LocalPid,
    reference: OwnedTerm,
    /// Permits for events that the caller has room for.
    pub(crate) room: Semaphore,
    /// Held while a message is sent, so that none is on its way once the mailbox is closed.
    is_open: Mutex<bool>,
}

impl Mailbox {
    pub(crate) fn new(pid: LocalPid, reference: Term<'_>) -> Self {
        Self {
            pid,
            reference: OwnedTerm::new(reference),
            room: Semaphore::new(UNREAD),
            is_open: Mutex::new(true),
        }
    }

    /// Nothing is sent any more from here on. What was sent is in the caller's mailbox.
    pub(crate) fn close(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// `{reference, :head}`: the answer is a stream of events, which follow.
    pub(crate) fn head(&self) {
        self.send(|env, reference| (reference, head()).encode(env));
    }

    /// `{reference, :event, data}`
    pub(crate) fn event(&self, data: &str) {
        self.send(|env, reference| (reference, event(), data).encode(env));
    }

    /// `{reference, :finished}` after the last event, `{reference, :truncated}` if the server said none is the last.
    pub(crate) fn end(&self, is_whole: bool) {
        self.send(|env, reference| {
            (reference, if is_whole { finished() } else { truncated() }).encode(env)
        });
    }

    /// `{reference, :response, status, body, retry_after}`, with milliseconds or `nil`.
    pub(crate) fn response(&self, status: u16, body: &[u8], retry_after: Option<Duration>) {
        self.send(|env, reference| {
            let mut bytes = NewBinary::new(env, body.len());
            bytes.as_mut_slice().copy_from_slice(body);
            let retry_after = match retry_after {
                Some(pause) => u64::try_from(pause.as_millis())
                    .unwrap_or(u64::MAX)
                    .encode(env),
                None => nil().encode(env),
            };
            (
                reference,
                response(),
                status,
                Term::from(bytes),
                retry_after,
            )
                .encode(env)
        });
    }

    /// `{reference, :failed, kind, message}`, or the response that is the failure.
    pub(crate) fn failed(&self, failure: &Failure) {
        let kind = match failure {
            Failure::Status {
                status,
                body,
                retry_after,
            } => return self.response(*status, body, *retry_after),
            Failure::Network(_) => network(),
            Failure::Timeout(..) => timeout(),
            Failure::TooLarge(..) => too_large(),
            Failure::Invalid(_) => invalid(),
            Failure::Request(_) => request(),
        };
        let message = failure.to_string();
        self.send(|env, reference| (reference, failed(), kind, message).encode(env));
    }

    fn send<F>(&self, message: F)
    where
        F: for<'a> FnOnce(Env<'a>, Term<'a>) -> Term<'a>,
    {
        let mut env = OwnedEnv::new();
        // `close` waits for the sending alone: the message is made before.
        let message = env.run(|inner| env.save(message(inner, self.reference.copy_to(inner))));
        let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_open {
            // A caller that is gone needs no message.
            let _gone = env.send_and_clear(&self.pid, |env| message.load(env));
        }
    }
}
