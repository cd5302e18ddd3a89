use std::any::Any;
use std::time::Duration;

use crate::hook::failure::panic_message;
use crate::hook::{Cause, HookError, RunFailure};

/// How the call of a hook failed.
pub(super) enum CallError<E> {
    /// By itself.
    Own(Cause<E>),
    /// A hook of the sync chain that it runs did.
    Inner(HookError<E>),
}

impl<E> CallError<E> {
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        Self::Own(Cause::Panicked(panic_message(payload)))
    }

    pub(super) fn timed_out(limit: Duration) -> Self {
        Self::Own(Cause::TimedOut(limit))
    }
}

impl<E> CallError<E> {
    pub(super) fn cause(&self) -> &Cause<E> {
        match self {
            Self::Own(cause) => cause,
            Self::Inner(error) => &error.cause,
        }
    }

    pub(super) fn own(error: E) -> Self {
        Self::Own(Cause::Failed(error))
    }
}

/// Of a sync chain whose base operation does nothing.
impl<E> From<RunFailure<E>> for CallError<E> {
    fn from(failure: RunFailure<E>) -> Self {
        match failure {
            RunFailure::Hook(error) => Self::Inner(error),
            RunFailure::Core(error) => Self::own(error),
            RunFailure::CorePanicked(payload) => Self::panicked(&*payload),
        }
    }
}
