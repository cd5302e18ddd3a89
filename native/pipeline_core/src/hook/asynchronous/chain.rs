use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::callback::{AsyncCallback, CallFlat, CallWrap};
use super::limits::RunLimits;
use super::next::Inside;
use super::run_error::{RunPosition, StopReason};
use super::{AsyncCore, AsyncFamily, AsyncHook, Owned, RunError, Running};
use crate::hook::listing::HookListing;
use crate::hook::listing::tell_by_listing;
use crate::hook::policy::Policy;
use crate::hook::{Attachment, Cause, ChainError, ContextFamily, HookError, HookKind, RunFailure};
use crate::plugin::{Name, PluginId};

/// One hook of a chain.
pub(super) struct AsyncStep<F: ContextFamily, H: ?Sized> {
    pub(super) hook: Arc<H>,
    pub(super) policy: Policy<F>,
    pub(super) timeout: Option<Duration>,
}

/// The async hooks of one point in the order in which they run; see [`Chain`](crate::hook::Chain), which it
/// equals but for the waiting. An example stands in the [module documentation](super).
pub struct AsyncChain<F: ContextFamily> {
    pub(super) listing: HookListing,
    pub(super) arounds: Vec<AsyncStep<F, dyn CallWrap<F>>>,
    pub(super) befores: Vec<AsyncStep<F, dyn CallFlat<F>>>,
    pub(super) replaces: Vec<AsyncStep<F, dyn CallWrap<F>>>,
    pub(super) afters: Vec<AsyncStep<F, dyn CallFlat<F>>>,
}

impl<F: ContextFamily> AsyncChain<F> {
    /// Orders hooks into a chain. `dependencies` gives the ids that a plugin depends on directly.
    ///
    /// # Errors
    ///
    /// [`ChainError`] when named constraints contradict each other, or too many hooks wrap each other.
    pub fn new<'d>(
        point: impl Into<Name>,
        hooks: Vec<Attachment<AsyncHook<F>>>,
        dependencies: impl Fn(&PluginId) -> &'d [PluginId],
    ) -> Result<Self, ChainError> {
        let mut chain = Self::empty(point);
        let point = chain.point().clone();
        chain.listing = HookListing::order(point, hooks, dependencies, |hook| chain.push(hook))?;
        Ok(chain)
    }

    fn push(&mut self, hook: AsyncHook<F>) {
        let AsyncHook {
            kind,
            call,
            policy,
            timeout,
        } = hook;
        match call {
            AsyncCallback::Wrap(hook) => {
                let wrapping = match kind {
                    HookKind::Around => &mut self.arounds,
                    _ => &mut self.replaces,
                };
                wrapping.push(AsyncStep {
                    hook,
                    policy,
                    timeout,
                });
            }
            AsyncCallback::Flat(hook) => {
                let flat = match kind {
                    HookKind::Before => &mut self.befores,
                    _ => &mut self.afters,
                };
                flat.push(AsyncStep {
                    hook,
                    policy,
                    timeout,
                });
            }
        }
    }

    /// A chain without hooks.
    pub fn empty(point: impl Into<Name>) -> Self {
        Self {
            listing: HookListing::empty(point),
            arounds: Vec::new(),
            befores: Vec::new(),
            replaces: Vec::new(),
            afters: Vec::new(),
        }
    }

    tell_by_listing!();

    /// The error of one hook.
    #[cold]
    pub(super) fn error(
        &self,
        kind: HookKind,
        index: usize,
        cause: Cause<F::Error>,
    ) -> HookError<F::Error> {
        self.listing.error(kind, index, cause)
    }
}

impl<F: AsyncFamily> AsyncChain<F> {
    /// Runs the hooks around `core` on `context`, which holds the result afterwards.
    ///
    /// Failures of hooks that are skipped are added to `skipped`, in the order in which they happened; so are
    /// hooks left out for their open [`Circuit`](crate::hook::Circuit). When the run fails or its future is
    /// dropped, the context stands as that left it.
    ///
    /// # Errors
    ///
    /// [`RunError::Hook`] names the hook that failed; [`RunError::Core`] is the error of `core`.
    ///
    /// # Panics
    ///
    /// When `core` does, with its payload. A panic of a hook is an error. A hook with a timeout wants the
    /// clock of a Tokio runtime.
    pub async fn run(
        &self,
        context: &mut Owned<F>,
        core: impl AsyncCore<F>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), RunError<F::Error>> {
        let mut position = RunPosition::default();
        self.run_at(context, core, skipped, &mut position)
            .await
            .map_err(RunError::or_panic)
    }

    /// As [`AsyncChain::run`], within limits. An example stands with [`RunLimits`].
    ///
    /// # Errors
    ///
    /// As [`AsyncChain::run`]; and [`RunError::DeadlineExceeded`] or [`RunError::Cancelled`], which name the
    /// hook that the run had come to.
    ///
    /// # Panics
    ///
    /// As [`AsyncChain::run`].
    pub async fn run_within(
        &self,
        limits: &RunLimits,
        context: &mut Owned<F>,
        core: impl AsyncCore<F>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), RunError<F::Error>> {
        let mut position = RunPosition::default();
        let ended = limits
            .apply(self.run_at(context, core, skipped, &mut position))
            .await;
        let stop = match ended {
            Ok(result) => return result.map_err(RunError::or_panic),
            Err(stop) => stop,
        };
        let point = self.point().clone();
        let running = self.running(position);
        Err(match stop {
            StopReason::Deadline => RunError::DeadlineExceeded { point, running },
            StopReason::Cancelled => RunError::Cancelled { point, running },
        })
    }

    async fn run_at(
        &self,
        context: &mut Owned<F>,
        mut core: impl AsyncCore<F>,
        skipped: &mut Vec<HookError<F::Error>>,
        position: &mut RunPosition,
    ) -> Result<(), RunFailure<F::Error>> {
        let inside = Inside {
            chain: self,
            core: &mut core,
            skipped,
            position,
        };
        inside.run_arounds(0, context).await
    }

    fn running(&self, position: RunPosition) -> Running {
        match position {
            RunPosition::Nothing => Running::Nothing,
            RunPosition::Core => Running::Core,
            RunPosition::Hook(kind, index) => Running::Hook {
                plugin: self.listing.plugin(kind, index).clone(),
                kind,
                index,
            },
        }
    }
}

impl<F: ContextFamily> fmt::Debug for AsyncChain<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncChain")
            .field("point", self.point())
            .field("hooks", &self.listing.hooks())
            .finish_non_exhaustive()
    }
}
