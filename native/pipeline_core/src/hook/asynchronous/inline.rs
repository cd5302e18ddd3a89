use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::blocking::Blocking;
use super::call_error::CallError;
use super::callback::{AsyncCallback, CallFlat, FlatResult};
use super::{AsyncFamily, AsyncHook, BoxFuture, Owned};
use crate::hook::callback::Callback;
use crate::hook::{After, Before, Chain, Flow, Hook, HookError, HookKind};

/// Why a sync hook cannot stand in an async chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error(
    "a sync {kind} hook cannot wrap what waits; write it with a `next` that is awaited, or give it a chain of its own \
     and attach that with `AsyncHook::before_chain`"
)]
pub struct SyncHookError {
    /// The kind of the hook: around or replace.
    pub kind: HookKind,
}

/// Sync hooks in an async chain.
impl<F: AsyncFamily> AsyncHook<F> {
    /// A sync before or after hook, called in place: it holds its thread up while it computes. What it says
    /// about failures is kept, and so is its circuit.
    ///
    /// ```
    /// # use pipeline_core::hook::ContextFamily;
    /// # struct Texts;
    /// # impl ContextFamily for Texts {
    /// #     type Context<'a> = String;
    /// #     type Error = &'static str;
    /// # }
    /// use pipeline_core::hook::asynchronous::AsyncHook;
    /// use pipeline_core::hook::{Flow, Hook};
    ///
    /// let trim = Hook::<Texts>::before(|text: &mut String| {
    ///     *text = text.trim().to_owned();
    ///     Ok(Flow::Continue)
    /// });
    /// let here = AsyncHook::sync(&trim)?;
    /// let elsewhere = AsyncHook::blocking(&trim)?;
    /// assert_eq!(here.kind(), elsewhere.kind());
    /// # Ok::<_, pipeline_core::hook::asynchronous::SyncHookError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SyncHookError`] for an around or replace hook, whose `next` does not wait.
    pub fn sync(hook: &Hook<F>) -> Result<Self, SyncHookError> {
        Self::beside(
            hook,
            |before| Arc::new(InlineBefore(before)),
            |after| Arc::new(InlineAfter(after)),
        )
    }

    /// As [`AsyncHook::sync`], on a thread for what takes long ([`tokio::task::spawn_blocking`]), so that
    /// nothing else is held up. The context moves there and back.
    ///
    /// A timeout or the end of the run does not stop the thread, which keeps the context: the run's is then
    /// the default one, unless the failure is skipped. Such a hook looks at
    /// [`cancellation`](super::cancellation).
    ///
    /// # Errors
    ///
    /// As [`AsyncHook::sync`].
    pub fn blocking(hook: &Hook<F>) -> Result<Self, SyncHookError>
    where
        Owned<F>: Default,
    {
        Self::beside(
            hook,
            |before| Arc::new(Blocking::<dyn Before<F>>(before)),
            |after| Arc::new(Blocking::<dyn After<F>>(after)),
        )
    }

    /// A hook that calls a sync one which wraps nothing, with the same to apply to its calls.
    fn beside(
        hook: &Hook<F>,
        before: impl FnOnce(Arc<dyn Before<F>>) -> Arc<dyn CallFlat<F>>,
        after: impl FnOnce(Arc<dyn After<F>>) -> Arc<dyn CallFlat<F>>,
    ) -> Result<Self, SyncHookError> {
        let kind = hook.kind();
        let call = match &hook.call {
            Callback::Before(hook) => before(hook.clone()),
            Callback::After(hook) => after(hook.clone()),
            Callback::Around(_) | Callback::Replace(_) => return Err(SyncHookError { kind }),
        };
        Ok(Self {
            kind,
            call: AsyncCallback::Flat(call),
            policy: hook.policy.clone(),
            timeout: None,
        })
    }

    /// A whole sync chain as one before hook, called in place around nothing. A failure inside names the hook
    /// of that chain.
    pub fn before_chain(chain: Arc<Chain<F>>) -> Self {
        Self::flat(HookKind::Before, InlineChain(chain))
    }

    /// As [`AsyncHook::before_chain`], on the result.
    pub fn after_chain(chain: Arc<Chain<F>>) -> Self {
        Self::flat(HookKind::After, InlineChain(chain))
    }
}

struct InlineBefore<F: AsyncFamily>(Arc<dyn Before<F>>);
struct InlineAfter<F: AsyncFamily>(Arc<dyn After<F>>);
struct InlineChain<F: AsyncFamily>(Arc<Chain<F>>);

impl<F: AsyncFamily> CallFlat<F> for InlineBefore<F> {
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        _: &'h mut Vec<HookError<F::Error>>,
    ) -> BoxFuture<'h, FlatResult<F>> {
        Box::pin(async move { self.0.before(context).map_err(CallError::own) })
    }
}

impl<F: AsyncFamily> CallFlat<F> for InlineAfter<F> {
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        _: &'h mut Vec<HookError<F::Error>>,
    ) -> BoxFuture<'h, FlatResult<F>> {
        Box::pin(async move {
            self.0.after(context).map_err(CallError::own)?;
            Ok(Flow::Continue)
        })
    }
}

impl<F: AsyncFamily> CallFlat<F> for InlineChain<F> {
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        skipped: &'h mut Vec<HookError<F::Error>>,
    ) -> BoxFuture<'h, FlatResult<F>> {
        Box::pin(async move {
            self.0.run(context, |_| Ok(()), skipped)?;
            Ok(Flow::Continue)
        })
    }
}
