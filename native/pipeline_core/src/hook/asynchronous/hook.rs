use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::callback::{
    AfterCall, AroundCall, AsyncCallback, BeforeCall, BoxedAfterClosure, BoxedClosure, CallFlat,
    CallWrap, ReplaceCall,
};
use super::{
    AsyncAfter, AsyncAround, AsyncBefore, AsyncFamily, AsyncNext, AsyncReplace, BoxFuture, Owned,
};
use crate::hook::listing::Listed;
use crate::hook::policy::Policy;
use crate::hook::{Circuit, ContextFamily, Flow, HookKind, OnError, WrapError};

/// A hook of an [`AsyncChain`](super::AsyncChain), of any kind, with what its failure does to the run and how
/// long it may take.
pub struct AsyncHook<F: ContextFamily> {
    pub(super) kind: HookKind,
    pub(super) call: AsyncCallback<F>,
    pub(super) policy: Policy<F>,
    pub(super) timeout: Option<Duration>,
}

impl<F: AsyncFamily> AsyncHook<F> {
    /// A hook that wraps everything inside.
    pub fn around(hook: impl AsyncAround<F> + 'static) -> Self {
        Self::wrap(HookKind::Around, AroundCall(hook))
    }

    /// A hook that runs ahead of the base operation.
    pub fn before(hook: impl AsyncBefore<F> + 'static) -> Self {
        Self::flat(HookKind::Before, BeforeCall(hook))
    }

    /// A hook that stands in for the base operation.
    pub fn replace(hook: impl AsyncReplace<F> + 'static) -> Self {
        Self::wrap(HookKind::Replace, ReplaceCall(hook))
    }

    /// A hook that runs on the result.
    pub fn after(hook: impl AsyncAfter<F> + 'static) -> Self {
        Self::flat(HookKind::After, AfterCall(hook))
    }

    /// As [`AsyncHook::around`], for a closure that returns a boxed future.
    pub fn around_fn<H>(hook: H) -> Self
    where
        H: for<'h> Fn(
                &'h mut Owned<F>,
                &'h mut AsyncNext<'h, F>,
            ) -> BoxFuture<'h, Result<(), WrapError<F::Error>>>
            + Send
            + Sync
            + 'static,
    {
        Self::wrap(HookKind::Around, BoxedClosure(hook))
    }

    /// As [`AsyncHook::before`], for a closure that returns a boxed future. Such a closure can capture
    /// anything.
    ///
    /// ```
    /// # use pipeline_core::hook::ContextFamily;
    /// # struct Texts;
    /// # impl ContextFamily for Texts {
    /// #     type Context<'a> = String;
    /// #     type Error = &'static str;
    /// # }
    /// use pipeline_core::hook::{Flow, asynchronous::AsyncHook};
    ///
    /// let greeting = String::from("hello ");
    /// let hook = AsyncHook::<Texts>::before_fn(move |text| {
    ///     let greeting = greeting.clone();
    ///     Box::pin(async move {
    ///         text.insert_str(0, &greeting);
    ///         Ok(Flow::Continue)
    ///     })
    /// });
    /// ```
    pub fn before_fn<H>(hook: H) -> Self
    where
        H: for<'h> Fn(&'h mut Owned<F>) -> BoxFuture<'h, Result<Flow, F::Error>>
            + Send
            + Sync
            + 'static,
    {
        Self::flat(HookKind::Before, BoxedClosure(hook))
    }

    /// As [`AsyncHook::replace`], for a closure that returns a boxed future.
    pub fn replace_fn<H>(hook: H) -> Self
    where
        H: for<'h> Fn(
                &'h mut Owned<F>,
                &'h mut AsyncNext<'h, F>,
            ) -> BoxFuture<'h, Result<(), WrapError<F::Error>>>
            + Send
            + Sync
            + 'static,
    {
        Self::wrap(HookKind::Replace, BoxedClosure(hook))
    }

    /// As [`AsyncHook::after`], for a closure that returns a boxed future.
    pub fn after_fn<H>(hook: H) -> Self
    where
        H: for<'h> Fn(&'h mut Owned<F>) -> BoxFuture<'h, Result<(), F::Error>>
            + Send
            + Sync
            + 'static,
    {
        Self::flat(HookKind::After, BoxedAfterClosure(hook))
    }

    pub(super) fn flat(kind: HookKind, call: impl CallFlat<F> + 'static) -> Self {
        Self::new(kind, AsyncCallback::Flat(Arc::new(call)))
    }

    fn wrap(kind: HookKind, call: impl CallWrap<F> + 'static) -> Self {
        Self::new(kind, AsyncCallback::Wrap(Arc::new(call)))
    }

    fn new(kind: HookKind, call: AsyncCallback<F>) -> Self {
        Self {
            kind,
            call,
            policy: Policy::default(),
            timeout: None,
        }
    }

    /// How long the hook may take for itself, the time in its `next` not counted. When it takes longer, its
    /// future is dropped where it waits, and it fails with [`Cause::TimedOut`](crate::hook::Cause::TimedOut).
    ///
    /// A hook that computes without waiting is not interrupted.
    ///
    /// ```
    /// # use pipeline_core::hook::ContextFamily;
    /// # struct Texts;
    /// # impl ContextFamily for Texts {
    /// #     type Context<'a> = String;
    /// #     type Error = &'static str;
    /// # }
    /// use std::time::Duration;
    ///
    /// use pipeline_core::hook::asynchronous::{AsyncChain, AsyncHook};
    /// use pipeline_core::hook::{Attachment, Cause, Flow, OnError};
    ///
    /// async fn slow(_: &mut String) -> Result<Flow, &'static str> {
    ///     std::future::pending().await
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limit = Duration::from_millis(50);
    /// let hook = AsyncHook::<Texts>::before(slow).timeout(limit).on_error(OnError::Skip);
    /// let chain = AsyncChain::new("run", vec![Attachment::new("slow", 1, hook)], |_| &[])?;
    /// let mut skipped = Vec::new();
    /// let core = async |_: &mut String| Ok(());
    /// chain.run(&mut String::new(), core, &mut skipped).await?;
    /// assert_eq!(skipped[0].cause, Cause::TimedOut(limit));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<F: ContextFamily> AsyncHook<F> {
    /// Says what a failure does to the run. Skipping copies the context before each call, and after each
    /// `next`, so that what the hook did half-way can be undone.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self
    where
        for<'c> F::Context<'c>: Clone,
    {
        self.policy.set_on_error(on_error);
        self
    }

    /// Gives it a circuit, as [`Hook::circuit`](crate::hook::Hook::circuit) does. A call whose future is
    /// dropped has neither passed nor failed.
    #[must_use]
    pub fn circuit(mut self, circuit: impl Into<Circuit>) -> Self {
        self.policy.circuit = Some(circuit.into());
        self
    }

    /// Its kind.
    pub fn kind(&self) -> HookKind {
        self.kind
    }
}

impl<F: ContextFamily> Listed for AsyncHook<F> {
    fn kind(&self) -> HookKind {
        self.kind
    }

    fn on_error(&self) -> OnError {
        self.policy.on_error()
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn circuit(&self) -> Option<&Circuit> {
        self.policy.circuit.as_ref()
    }
}

impl<F: ContextFamily> Clone for AsyncHook<F> {
    fn clone(&self) -> Self {
        Self {
            kind: self.kind,
            call: self.call.clone(),
            policy: self.policy.clone(),
            timeout: self.timeout,
        }
    }
}

impl<F: ContextFamily> fmt::Debug for AsyncHook<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncHook")
            .field("kind", &self.kind)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
