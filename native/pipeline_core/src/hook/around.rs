use std::marker::PhantomData;

use super::{ContextFamily, Next};

/// A hook that wraps everything inside: the arounds after it, the before hooks, the base operation, the after
/// hooks.
pub trait Around<F: ContextFamily>: Send + Sync {
    /// Goes on with `next`, once, several times or not at all.
    ///
    /// The context that it leaves is the result. A failure of `next` can be handed on (`?` does) or dealt
    /// with.
    fn around<'c>(
        &self,
        context: &mut F::Context<'c>,
        next: &mut Next<'_, 'c, F>,
    ) -> Result<(), WrapError<F::Error>>;
}

/// A hook that stands in for the base operation.
pub trait Replace<F: ContextFamily>: Send + Sync {
    /// Does the work, or falls back on `next`: the next replace hook, and finally the base operation.
    fn replace<'c>(
        &self,
        context: &mut F::Context<'c>,
        next: &mut Next<'_, 'c, F>,
    ) -> Result<(), WrapError<F::Error>>;
}

/// How a hook that has a `next` fails.
#[derive(Debug, PartialEq, Eq)]
pub enum WrapError<E> {
    /// The hook itself failed.
    Own(E),
    /// Its `next` failed, and it hands that on.
    Inner(Inner<E>),
}

/// Says that `next` failed. What happened, [`Next::failure`] tells.
#[derive(Debug, PartialEq, Eq)]
pub struct Inner<E> {
    of: PhantomData<fn() -> E>,
}

impl<E> Inner<E> {
    pub(super) fn new() -> Self {
        Self { of: PhantomData }
    }
}

impl<E> From<E> for WrapError<E> {
    fn from(error: E) -> Self {
        Self::Own(error)
    }
}

impl<E> From<Inner<E>> for WrapError<E> {
    fn from(inner: Inner<E>) -> Self {
        Self::Inner(inner)
    }
}
