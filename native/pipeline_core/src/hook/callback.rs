use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::listing::Listed;
use super::policy::Policy;
use super::step::{AfterStep, BeforeStep, PaddedAfter, PaddedBefore};
use super::{
    After, Around, Before, Circuit, ContextFamily, HookKind, Next, OnError, Replace, WrapError,
};

/// A hook of a chain, of any kind, with what its failure does to the run.
pub struct Hook<F: ContextFamily> {
    pub(super) call: Callback<F>,
    pub(super) policy: Policy<F>,
}

pub(super) enum Callback<F: ContextFamily> {
    Around(Arc<dyn Around<F>>),
    Before(Arc<dyn BeforeStep<F>>),
    Replace(Arc<dyn Replace<F>>),
    After(Arc<dyn AfterStep<F>>),
}

impl<F: ContextFamily> Hook<F> {
    /// A hook that wraps everything inside.
    pub fn around(hook: impl Around<F> + 'static) -> Self {
        Self::halting(Callback::Around(Arc::new(hook)))
    }

    /// A hook that runs ahead of the base operation.
    pub fn before(hook: impl Before<F> + 'static) -> Self {
        Self::halting(Callback::Before(Arc::new(PaddedBefore(CachePadded::new(
            hook,
        )))))
    }

    /// A hook that stands in for the base operation.
    pub fn replace(hook: impl Replace<F> + 'static) -> Self {
        Self::halting(Callback::Replace(Arc::new(hook)))
    }

    /// A hook that runs on the result.
    pub fn after(hook: impl After<F> + 'static) -> Self {
        Self::halting(Callback::After(Arc::new(PaddedAfter(CachePadded::new(
            hook,
        )))))
    }

    /// As [`Hook::around`], for a closure. Its signature ties the lifetimes of context and `next` together,
    /// which a closure on its own cannot express.
    pub fn around_fn<H>(hook: H) -> Self
    where
        H: for<'r, 'c> Fn(
                &mut F::Context<'c>,
                &mut Next<'r, 'c, F>,
            ) -> Result<(), WrapError<F::Error>>
            + Send
            + Sync
            + 'static,
    {
        Self::around(hook)
    }

    /// As [`Hook::replace`], for a closure; see [`Hook::around_fn`].
    pub fn replace_fn<H>(hook: H) -> Self
    where
        H: for<'r, 'c> Fn(
                &mut F::Context<'c>,
                &mut Next<'r, 'c, F>,
            ) -> Result<(), WrapError<F::Error>>
            + Send
            + Sync
            + 'static,
    {
        Self::replace(hook)
    }

    fn halting(call: Callback<F>) -> Self {
        let policy = Policy::default();
        Self { call, policy }
    }

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

    /// Gives it a circuit, or one with these [`Settings`](crate::breaker::Settings): while that is open the
    /// hook is not called, which is told as [`Cause::CircuitOpen`](super::Cause::CircuitOpen) and does what a
    /// failure does to the run. Clones of the hook share it.
    #[must_use]
    pub fn circuit(mut self, circuit: impl Into<Circuit>) -> Self {
        self.policy.circuit = Some(circuit.into());
        self
    }

    /// Its kind.
    pub fn kind(&self) -> HookKind {
        match self.call {
            Callback::Around(_) => HookKind::Around,
            Callback::Before(_) => HookKind::Before,
            Callback::Replace(_) => HookKind::Replace,
            Callback::After(_) => HookKind::After,
        }
    }
}

impl<F: ContextFamily> Listed for Hook<F> {
    fn kind(&self) -> HookKind {
        Self::kind(self)
    }

    fn on_error(&self) -> OnError {
        self.policy.on_error()
    }

    fn timeout(&self) -> Option<Duration> {
        None
    }

    fn circuit(&self) -> Option<&Circuit> {
        self.policy.circuit.as_ref()
    }
}

impl<F: ContextFamily> Clone for Hook<F> {
    fn clone(&self) -> Self {
        let call = match &self.call {
            Callback::Around(hook) => Callback::Around(hook.clone()),
            Callback::Before(hook) => Callback::Before(hook.clone()),
            Callback::Replace(hook) => Callback::Replace(hook.clone()),
            Callback::After(hook) => Callback::After(hook.clone()),
        };
        let policy = self.policy.clone();
        Self { call, policy }
    }
}

impl<F: ContextFamily> fmt::Debug for Hook<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}
