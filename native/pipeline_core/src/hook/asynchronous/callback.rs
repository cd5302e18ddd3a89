//! Hooks as a chain calls them: behind a pointer, with their future in a box.

use std::sync::Arc;

use super::call_error::CallError;
use super::{
    AsyncAfter, AsyncAround, AsyncBefore, AsyncFamily, AsyncNext, AsyncReplace, BoxFuture, Owned,
};
use crate::hook::{ContextFamily, Flow, HookError, WrapError};

/// A hook as a chain holds it. It asks nothing of the family, so that a host of any family can hold chains.
pub(super) enum AsyncCallback<F: ContextFamily> {
    Flat(Arc<dyn CallFlat<F>>),
    Wrap(Arc<dyn CallWrap<F>>),
}

impl<F: ContextFamily> Clone for AsyncCallback<F> {
    fn clone(&self) -> Self {
        match self {
            Self::Flat(call) => Self::Flat(call.clone()),
            Self::Wrap(call) => Self::Wrap(call.clone()),
        }
    }
}

pub(super) type FlatResult<F> = Result<Flow, CallError<<F as ContextFamily>::Error>>;
pub(super) type WrapResult<F> = Result<(), WrapError<<F as ContextFamily>::Error>>;

/// A hook that comes before or after.
pub(super) trait CallFlat<F: ContextFamily>: Send + Sync {
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        skipped: &'h mut Vec<HookError<F::Error>>,
    ) -> BoxFuture<'h, FlatResult<F>>;
}

/// A hook that has a `next`.
pub(super) trait CallWrap<F: ContextFamily>: Send + Sync {
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        next: &'h mut AsyncNext<'h, F>,
    ) -> BoxFuture<'h, WrapResult<F>>;
}

pub(super) struct BeforeCall<H>(pub(super) H);
pub(super) struct AfterCall<H>(pub(super) H);
pub(super) struct AroundCall<H>(pub(super) H);
pub(super) struct ReplaceCall<H>(pub(super) H);

/// A closure that makes the box itself.
pub(super) struct BoxedClosure<H>(pub(super) H);

/// As [`BoxedClosure`], for one that runs on the result.
pub(super) struct BoxedAfterClosure<H>(pub(super) H);

impl<F: AsyncFamily, H: AsyncBefore<F>> CallFlat<F> for BeforeCall<H> {
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        _: &'h mut Vec<HookError<F::Error>>,
    ) -> BoxFuture<'h, FlatResult<F>> {
        Box::pin(async move { self.0.before(context).await.map_err(CallError::own) })
    }
}

impl<F: AsyncFamily, H: AsyncAfter<F>> CallFlat<F> for AfterCall<H> {
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        _: &'h mut Vec<HookError<F::Error>>,
    ) -> BoxFuture<'h, FlatResult<F>> {
        Box::pin(async move {
            self.0.after(context).await.map_err(CallError::own)?;
            Ok(Flow::Continue)
        })
    }
}

impl<F, H> CallFlat<F> for BoxedClosure<H>
where
    F: AsyncFamily,
    H: for<'h> Fn(&'h mut Owned<F>) -> BoxFuture<'h, Result<Flow, F::Error>> + Send + Sync,
{
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        _: &'h mut Vec<HookError<F::Error>>,
    ) -> BoxFuture<'h, FlatResult<F>> {
        Box::pin(async move { (self.0)(context).await.map_err(CallError::own) })
    }
}

impl<F, H> CallFlat<F> for BoxedAfterClosure<H>
where
    F: AsyncFamily,
    H: for<'h> Fn(&'h mut Owned<F>) -> BoxFuture<'h, Result<(), F::Error>> + Send + Sync,
{
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        _: &'h mut Vec<HookError<F::Error>>,
    ) -> BoxFuture<'h, FlatResult<F>> {
        Box::pin(async move {
            (self.0)(context).await.map_err(CallError::own)?;
            Ok(Flow::Continue)
        })
    }
}

impl<F: AsyncFamily, H: AsyncAround<F>> CallWrap<F> for AroundCall<H> {
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        next: &'h mut AsyncNext<'h, F>,
    ) -> BoxFuture<'h, WrapResult<F>> {
        Box::pin(async move { self.0.around(context, next).await })
    }
}

impl<F: AsyncFamily, H: AsyncReplace<F>> CallWrap<F> for ReplaceCall<H> {
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        next: &'h mut AsyncNext<'h, F>,
    ) -> BoxFuture<'h, WrapResult<F>> {
        Box::pin(async move { self.0.replace(context, next).await })
    }
}

impl<F, H> CallWrap<F> for BoxedClosure<H>
where
    F: AsyncFamily,
    H: for<'h> Fn(&'h mut Owned<F>, &'h mut AsyncNext<'h, F>) -> BoxFuture<'h, WrapResult<F>>
        + Send
        + Sync,
{
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        next: &'h mut AsyncNext<'h, F>,
    ) -> BoxFuture<'h, WrapResult<F>> {
        Box::pin(async move { (self.0)(context, next).await })
    }
}
