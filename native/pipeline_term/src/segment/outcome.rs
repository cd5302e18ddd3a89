use crate::failure::Failure;
use crate::vm::Bare;
use rustler::{Encoder, Env, Term};

rustler::atoms! { answer, declined, failed, ok, refused, skipped }

/// The end of a run.
#[repr(u8)]
pub(super) enum End<'a> {
    /// All hooks ran; the context as they left it.
    Done(Bare<'a>),
    /// The hook at this place answered early with this context.
    Answer(usize, Bare<'a>),
    /// A replace hook leaves its place to the next, with this context.
    Declined(Bare<'a>),
    /// The hook at this place did not do its work.
    Fault(usize, Box<Fault<'a>>),
}

/// A hook that failed and was skipped.
pub(super) struct Skip<'a> {
    /// Its place in the segment, counted from 0.
    pub(super) index: usize,
    /// What happened.
    pub(super) fault: Fault<'a>,
}

/// A failure as the caller sees it.
pub(crate) enum Fault<'a> {
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
            other => Self::Failed(other.into_message()),
        }
    }
}

/// What the caller gets: the end, or `{:skipped, [{index, :refused | :failed, reason}], end}` if hooks were skipped.
#[inline]
pub(super) fn returned<'a>(env: Env<'a>, skips: &[Term<'a>], end: &End<'a>) -> Term<'a> {
    if skips.is_empty() {
        end.to_term(env)
    } else {
        (skipped(), skips, end.to_term(env)).encode(env)
    }
}

impl<'a> End<'a> {
    /// `{:ok, context}`, `{:answer, index, context}`, `{:declined, context}`, `{:refused, index, reason}` or `{:failed, index, message}`.
    #[inline]
    fn to_term(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Self::Done(context) => (ok(), context.within(env)).encode(env),
            Self::Answer(index, context) => (answer(), index, context.within(env)).encode(env),
            Self::Declined(context) => (declined(), context.within(env)).encode(env),
            Self::Fault(index, fault) => match &**fault {
                Fault::Refused(reason) => (refused(), index, reason).encode(env),
                Fault::Failed(message) => (failed(), index, message).encode(env),
            },
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
