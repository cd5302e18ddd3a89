use std::fmt;
use std::num::NonZeroUsize;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use super::guard::guarded;
use super::listen::AsyncListener;
use super::{Owned, SharedFamily};
use crate::hook::failure::panic_message;
use crate::hook::listing::HookListing;
use crate::hook::listing::tell_by_listing;
use crate::hook::verdict::is_skipped;
use crate::hook::{Attachment, Cause, ChainError, ContextFamily, HookError, HookKind};
use crate::plugin::{Name, PluginId};

/// The async listeners of one point. They are called beside each other, as many at once as the run allows;
/// what they give stands in the order of hooks.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use pipeline_core::hook::asynchronous::{AsyncListener, AsyncListeners};
/// use pipeline_core::hook::{Attachment, ContextFamily};
///
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// async fn length(text: &String) -> Result<usize, &'static str> {
///     Ok(text.len())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hooks = vec![Attachment::new("a", 1, AsyncListener::<Texts, usize>::new(length))];
/// let listeners = AsyncListeners::new("measure", hooks, |_| &[])?;
/// let at_once = NonZeroUsize::new(8).unwrap();
/// assert_eq!(listeners.collect(&"hello".to_owned(), at_once, &mut Vec::new()).await?, [5]);
/// # Ok(())
/// # }
/// ```
pub struct AsyncListeners<F: ContextFamily, V> {
    listing: HookListing,
    hooks: Vec<AsyncListener<F, V>>,
}

impl<F: ContextFamily, V> AsyncListeners<F, V> {
    /// Orders listeners. `dependencies` gives the ids that a plugin depends on directly.
    ///
    /// # Errors
    ///
    /// [`ChainError::Contradiction`] when named constraints contradict each other.
    pub fn new<'d>(
        point: impl Into<Name>,
        hooks: Vec<Attachment<AsyncListener<F, V>>>,
        dependencies: impl Fn(&PluginId) -> &'d [PluginId],
    ) -> Result<Self, ChainError> {
        let mut ordered = Vec::with_capacity(hooks.len());
        let listing = HookListing::order(point, hooks, dependencies, |hook| ordered.push(hook))?;
        Ok(Self {
            listing,
            hooks: ordered,
        })
    }

    tell_by_listing!();
}

impl<F, V: Send> AsyncListeners<F, V>
where
    F: SharedFamily,
{
    /// Mode `:collect`: the values of all, in order, of which at most `at_once` are called at the same time.
    ///
    /// # Errors
    ///
    /// The first failure, in order, that is not skipped: listeners behind it are not begun any more, or
    /// dropped. Those that are skipped are added to `skipped`, in order.
    pub async fn collect(
        &self,
        context: &Owned<F>,
        at_once: NonZeroUsize,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<Vec<V>, HookError<F::Error>> {
        let mut values = Vec::with_capacity(self.hooks.len());
        for (result, hook) in self
            .call_all(context, at_once, true)
            .await
            .into_iter()
            .zip(&self.hooks)
        {
            match result {
                Ok(value) => values.push(value),
                Err(error) if is_skipped(hook.on_error) => skipped.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(values)
    }

    /// Mode `:notify`: all are called, at most `at_once` at the same time, and their values ignored. No
    /// failure stops the others; all are returned, in order.
    pub async fn notify(
        &self,
        context: &Owned<F>,
        at_once: NonZeroUsize,
    ) -> Vec<HookError<F::Error>> {
        let results = self.call_all(context, at_once, false).await;
        results.into_iter().filter_map(Result::err).collect()
    }

    /// The results in order. With `halts`, those up to the first failure that is not skipped.
    async fn call_all(
        &self,
        context: &Owned<F>,
        at_once: NonZeroUsize,
        halts: bool,
    ) -> Vec<Result<V, HookError<F::Error>>> {
        let mut results: Vec<Option<Result<V, _>>> = Vec::new();
        results.resize_with(self.hooks.len(), || None);
        let mut running = FuturesUnordered::new();
        let (mut begun, mut missing, mut end) = (0, self.hooks.len(), self.hooks.len());
        while missing > 0 {
            while begun < end && running.len() < at_once.get() {
                let index = begun;
                running.push(async move { (index, self.call(index, context).await) });
                begun += 1;
            }
            let Some((index, result)) = running.next().await else {
                break;
            };
            if index >= end {
                continue;
            }
            if halts && result.is_err() && !is_skipped(self.hooks[index].on_error) {
                end = index + 1;
            }
            results[index] = Some(result);
            missing = results[..end]
                .iter()
                .filter(|result| result.is_none())
                .count();
        }
        results.into_iter().take(end).flatten().collect()
    }

    async fn call(&self, index: usize, context: &Owned<F>) -> Result<V, HookError<F::Error>> {
        let AsyncListener {
            hook,
            timeout: limit,
            circuit,
            ..
        } = &self.hooks[index];
        let admitted = self
            .listing
            .admit(HookKind::Listen, index, circuit.as_ref())
            .map_err(|cause| self.error(index, cause))?;
        let call = guarded(async { hook.call(context).await });
        let result = match limit {
            None => Ok(call.await),
            Some(limit) => timeout(*limit, call).await.map_err(|_| *limit),
        };
        let result = match result {
            Ok(Ok(result)) => result.map_err(Cause::Failed),
            Ok(Err(payload)) => Err(Cause::Panicked(panic_message(&*payload))),
            Err(limit) => Err(Cause::TimedOut(limit)),
        };
        admitted.ended::<F>(result.as_ref().err());
        result.map_err(|cause| self.error(index, cause))
    }

    fn error(&self, index: usize, cause: Cause<F::Error>) -> HookError<F::Error> {
        self.listing.error(HookKind::Listen, index, cause)
    }
}

impl<F, V: Send> AsyncListeners<F, Option<V>>
where
    F: SharedFamily,
{
    /// Mode `:first`: the first value that is one. The listeners are called one after the other, and later
    /// ones not at all.
    ///
    /// # Errors
    ///
    /// A failure ahead of that which is not skipped; those that are skipped are added to `skipped`.
    pub async fn first(
        &self,
        context: &Owned<F>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<Option<V>, HookError<F::Error>> {
        for (index, hook) in self.hooks.iter().enumerate() {
            match self.call(index, context).await {
                Ok(None) => {}
                Ok(value) => return Ok(value),
                Err(error) if is_skipped(hook.on_error) => skipped.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl<F: ContextFamily, V> fmt::Debug for AsyncListeners<F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncListeners")
            .field("point", self.listing.point())
            .field("hooks", &self.listing.hooks())
            .finish_non_exhaustive()
    }
}
