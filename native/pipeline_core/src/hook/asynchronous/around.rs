use super::{AsyncFamily, AsyncNext, Owned};
use crate::hook::WrapError;

/// A hook that wraps everything inside, and may wait; see [`Around`](crate::hook::Around).
pub trait AsyncAround<F: AsyncFamily>: Send + Sync {
    /// Goes on with `next`, once, several times or not at all.
    ///
    /// What it leaves in `context` is the result. A failure of `next` can be handed on (`?` does) or dealt with.
    fn around(
        &self,
        context: &mut Owned<F>,
        next: &mut AsyncNext<'_, F>,
    ) -> impl Future<Output = Result<(), WrapError<F::Error>>> + Send;
}

/// A hook that stands in for the base operation, and may wait; see [`Replace`](crate::hook::Replace).
pub trait AsyncReplace<F: AsyncFamily>: Send + Sync {
    /// Does the work, or falls back on `next`: the next replace hook, and finally the base operation.
    fn replace(
        &self,
        context: &mut Owned<F>,
        next: &mut AsyncNext<'_, F>,
    ) -> impl Future<Output = Result<(), WrapError<F::Error>>> + Send;
}
