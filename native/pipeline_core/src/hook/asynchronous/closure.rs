//! `async fn`s and async closures are hooks, as far as they borrow nothing from themselves.
//!
//! `AsyncFn` alone cannot say that its future is `Send`; the traits here can. It stands beside them because
//! it is fundamental: the compiler knows that no other type will come to implement it, so that any type can
//! implement the traits of hooks.

use super::{
    AsyncAfter, AsyncAround, AsyncBefore, AsyncCore, AsyncFamily, AsyncListen, AsyncNext,
    AsyncReplace, BoxFuture, Owned, SharedFamily,
};
use crate::hook::{Flow, WrapError};

/// A function of a context that returns a future. Implemented for all that fit; not meant to be implemented.
pub trait AsyncCall<C, T>: Send + Sync {
    /// The returned future.
    type Future: Future<Output = T> + Send;

    /// Calls it.
    fn call(&self, context: C) -> Self::Future;
}

impl<C, T, H, Fut> AsyncCall<C, T> for H
where
    H: Fn(C) -> Fut + Send + Sync,
    Fut: Future<Output = T> + Send,
{
    type Future = Fut;

    fn call(&self, context: C) -> Fut {
        self(context)
    }
}

/// As [`AsyncCall`], for what changes with each call.
pub trait AsyncCallMut<C, T>: Send {
    /// The returned future.
    type Future: Future<Output = T> + Send;

    /// Calls it.
    fn call_mut(&mut self, context: C) -> Self::Future;
}

impl<C, T, H, Fut> AsyncCallMut<C, T> for H
where
    H: FnMut(C) -> Fut + Send,
    Fut: Future<Output = T> + Send,
{
    type Future = Fut;

    fn call_mut(&mut self, context: C) -> Fut {
        self(context)
    }
}

/// A function of a context and a `next` that returns a future. Implemented for all that fit; not meant to be
/// implemented.
pub trait AsyncWrap<C, N, T>: Send + Sync {
    /// The returned future.
    type Future: Future<Output = T> + Send;

    /// Calls it.
    fn call(&self, context: C, next: N) -> Self::Future;
}

impl<C, N, T, H, Fut> AsyncWrap<C, N, T> for H
where
    H: Fn(C, N) -> Fut + Send + Sync,
    Fut: Future<Output = T> + Send,
{
    type Future = Fut;

    fn call(&self, context: C, next: N) -> Fut {
        self(context, next)
    }
}

impl<F, H> AsyncBefore<F> for H
where
    F: AsyncFamily,
    H: AsyncFn(&mut Owned<F>) -> Result<Flow, F::Error>
        + for<'h> AsyncCall<&'h mut Owned<F>, Result<Flow, F::Error>>,
{
    async fn before(&self, context: &mut Owned<F>) -> Result<Flow, F::Error> {
        self.call(context).await
    }
}

impl<F, H> AsyncAfter<F> for H
where
    F: AsyncFamily,
    H: AsyncFn(&mut Owned<F>) -> Result<(), F::Error>
        + for<'h> AsyncCall<&'h mut Owned<F>, Result<(), F::Error>>,
{
    async fn after(&self, result: &mut Owned<F>) -> Result<(), F::Error> {
        self.call(result).await
    }
}

impl<F, H> AsyncAround<F> for H
where
    F: AsyncFamily,
    H: AsyncFn(&mut Owned<F>, &mut AsyncNext<'_, F>) -> Result<(), WrapError<F::Error>>
        + for<'c, 'n, 'r> AsyncWrap<
            &'c mut Owned<F>,
            &'n mut AsyncNext<'r, F>,
            Result<(), WrapError<F::Error>>,
        >,
{
    async fn around(
        &self,
        context: &mut Owned<F>,
        next: &mut AsyncNext<'_, F>,
    ) -> Result<(), WrapError<F::Error>> {
        self.call(context, next).await
    }
}

impl<F, H> AsyncReplace<F> for H
where
    F: AsyncFamily,
    H: AsyncFn(&mut Owned<F>, &mut AsyncNext<'_, F>) -> Result<(), WrapError<F::Error>>
        + for<'c, 'n, 'r> AsyncWrap<
            &'c mut Owned<F>,
            &'n mut AsyncNext<'r, F>,
            Result<(), WrapError<F::Error>>,
        >,
{
    async fn replace(
        &self,
        context: &mut Owned<F>,
        next: &mut AsyncNext<'_, F>,
    ) -> Result<(), WrapError<F::Error>> {
        self.call(context, next).await
    }
}

impl<F, V, H> AsyncListen<F, V> for H
where
    F: SharedFamily,
    H: AsyncFn(&Owned<F>) -> Result<V, F::Error>
        + for<'h> AsyncCall<&'h Owned<F>, Result<V, F::Error>>,
{
    async fn listen(&self, context: &Owned<F>) -> Result<V, F::Error> {
        self.call(context).await
    }
}

impl<F, H> AsyncCore<F> for H
where
    F: AsyncFamily,
    H: AsyncFnMut(&mut Owned<F>) -> Result<(), F::Error>
        + for<'h> AsyncCallMut<&'h mut Owned<F>, Result<(), F::Error>>,
{
    fn call<'h>(&'h mut self, context: &'h mut Owned<F>) -> BoxFuture<'h, Result<(), F::Error>> {
        Box::pin(async move { self.call_mut(context).await })
    }
}
