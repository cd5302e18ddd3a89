use crate::failure::Failure;
use rustler::{Encoder, Env, Term};

rustler::atoms! { answer, declined, failed, ok, refused, skipped }

/// How a run of a segment went.
pub struct Outcome<'a> {
    /// The hooks that failed and were skipped, in their order.
    pub skipped: Vec<Skip<'a>>,
    /// How it ended.
    pub end: End<'a>,
}

/// The end of a run.
pub enum End<'a> {
    /// All hooks ran; the context as they left it.
    Done(Term<'a>),
    /// The hook at this place answered early with this context.
    Answer(usize, Term<'a>),
    /// A replace hook leaves its place to the next, with this context.
    Declined(Term<'a>),
    /// The hook at this place did not do its work.
    Fault(usize, Fault<'a>),
}

/// A hook that failed and was skipped.
pub struct Skip<'a> {
    /// Its place in the segment, counted from 0.
    pub index: usize,
    /// What happened.
    pub fault: Fault<'a>,
}

/// A failure as the caller sees it.
pub enum Fault<'a> {
    /// The hook refused, for this reason.
    Refused(Term<'a>),
    /// It failed; the message says how.
    Failed(String),
}

impl<'a> Fault<'a> {
    pub(crate) fn of(failure: Failure, env: Env<'a>) -> Self {
        match failure {
            Failure::Refused(reason) => match reason.to_term(env) {
                Ok(term) => Self::Refused(term),
                Err(error) => Self::Failed(error.to_string()),
            },
            other => Self::Failed(other.to_string()),
        }
    }
}

/// `{:skipped, [{index, :refused | :failed, reason}], end}` around the end if hooks were skipped, the end alone if not.
impl Encoder for Outcome<'_> {
    fn encode<'b>(&self, env: Env<'b>) -> Term<'b> {
        if self.skipped.is_empty() {
            self.end.encode(env)
        } else {
            (skipped(), &self.skipped, &self.end).encode(env)
        }
    }
}

/// `{:ok, context}`, `{:answer, index, context}`, `{:declined, context}`, `{:refused, index, reason}` or `{:failed, index, message}`.
impl Encoder for End<'_> {
    fn encode<'b>(&self, env: Env<'b>) -> Term<'b> {
        match self {
            Self::Done(context) => (ok(), context).encode(env),
            Self::Answer(index, context) => (answer(), index, context).encode(env),
            Self::Declined(context) => (declined(), context).encode(env),
            Self::Fault(index, Fault::Refused(reason)) => (refused(), index, reason).encode(env),
            Self::Fault(index, Fault::Failed(message)) => (failed(), index, message).encode(env),
        }
    }
}

impl Encoder for Skip<'_> {
    fn encode<'b>(&self, env: Env<'b>) -> Term<'b> {
        match &self.fault {
            Fault::Refused(reason) => (self.index, refused(), reason).encode(env),
            Fault::Failed(message) => (self.index, failed(), message).encode(env),
        }
    }
}
