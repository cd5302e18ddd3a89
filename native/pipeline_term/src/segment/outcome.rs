use crate::circuit::EncodedTransition;
use crate::failure::Failure;
use crate::vm::RawTerm;
use rustler::{Encoder, Env, Term};

rustler::atoms! { answer, circuits, declined, failed, nil, not_called, ok, refused, skipped }

/// The end of a run.
#[repr(u8)]
pub(super) enum SegmentEnd<'a> {
    /// All hooks ran; the context as they left it.
    Done(RawTerm<'a>),
    /// The hook at this place answered early with this context.
    Answer(usize, RawTerm<'a>),
    /// A replace hook leaves its place to the next, with this context.
    Declined(RawTerm<'a>),
    /// The hook at this place did not do its work.
    Fault(usize, Box<FailureTerm<'a>>),
    /// The circuit of the hook at this place is open.
    NotCalled(usize),
}

/// A hook that was skipped.
pub(super) struct SkippedHook<'a> {
    /// Its place in the segment, counted from 0.
    pub(super) index: usize,
    /// How it failed; `None` if it was not called, for its open circuit.
    pub(super) fault: Option<FailureTerm<'a>>,
}

/// A circuit that changed its state.
pub(super) struct CircuitTransition {
    /// The place of its hook.
    pub(super) index: usize,
    pub(super) change: EncodedTransition,
    /// How often it has opened.
    pub(super) opened: u64,
}

/// A failure as the caller sees it.
pub(crate) enum FailureTerm<'a> {
    /// The hook refused, for this reason.
    Refused(Term<'a>),
    /// It failed; the message says how.
    Failed(String),
}

impl<'a> FailureTerm<'a> {
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

/// The events on the way to the end, as the caller gets them.
#[derive(Default)]
pub(super) struct RunEvents<'a> {
    /// `{index, :refused | :failed, reason}` or `{index, :not_called, nil}`, of hooks that were skipped.
    pub(super) skipped: Vec<Term<'a>>,
    /// `{index, {from, to, reason}, opened}`, of circuits.
    pub(super) moved: Vec<Term<'a>>,
}

/// The caller gets the end, or `{:skipped, [skip], end}` if hooks were skipped; and either as the last
/// of `{:circuits, [change], _}` if circuits changed.
#[inline]
pub(super) fn returned<'a>(env: Env<'a>, events: &RunEvents<'a>, end: &SegmentEnd<'a>) -> Term<'a> {
    let mut term = end.to_term(env);
    if !events.skipped.is_empty() {
        term = (skipped(), &events.skipped, term).encode(env);
    }
    if !events.moved.is_empty() {
        term = (circuits(), &events.moved, term).encode(env);
    }
    term
}

impl<'a> SegmentEnd<'a> {
    /// `{:ok, context}`, `{:answer, index, context}`, `{:declined, context}`, `{:refused, index, reason}`,
    /// `{:failed, index, message}` or `{:not_called, index, nil}`.
    #[inline]
    fn to_term(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Self::Done(context) => (ok(), context.within(env)).encode(env),
            Self::Answer(index, context) => (answer(), index, context.within(env)).encode(env),
            Self::Declined(context) => (declined(), context.within(env)).encode(env),
            Self::NotCalled(index) => (not_called(), index, nil()).encode(env),
            Self::Fault(index, fault) => match &**fault {
                FailureTerm::Refused(reason) => (refused(), index, reason).encode(env),
                FailureTerm::Failed(message) => (failed(), index, message).encode(env),
            },
        }
    }
}

impl Encoder for SkippedHook<'_> {
    fn encode<'b>(&self, env: Env<'b>) -> Term<'b> {
        match &self.fault {
            None => (self.index, not_called(), nil()).encode(env),
            Some(FailureTerm::Refused(reason)) => (self.index, refused(), reason).encode(env),
            Some(FailureTerm::Failed(message)) => (self.index, failed(), message).encode(env),
        }
    }
}

impl Encoder for CircuitTransition {
    fn encode<'b>(&self, env: Env<'b>) -> Term<'b> {
        (self.index, self.change, self.opened).encode(env)
    }
}
