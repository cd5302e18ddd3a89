use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{BoxFuture, Owned, SharedFamily};
use crate::hook::listing::Listed;
use crate::hook::{Circuit, ContextFamily, HookKind, OnError};

/// A hook on a point that is no chain: it is called with the context, may wait, and gives a value.
///
/// ```
/// # use pipeline_core::hook::ContextFamily;
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// use pipeline_core::hook::asynchronous::{AsyncListen, AsyncListener};
///
/// struct Longer(usize);
///
/// impl AsyncListen<Texts, bool> for Longer {
///     async fn listen(&self, text: &String) -> Result<bool, &'static str> {
///         Ok(text.len() > self.0)
///     }
/// }
///
/// let listener = AsyncListener::new(Longer(80));
/// ```
pub trait AsyncListen<F: SharedFamily, V>: Send + Sync {
    /// Reads the context.
    fn listen(&self, context: &Owned<F>) -> impl Future<Output = Result<V, F::Error>> + Send;
}

/// A listener as it is called: behind a pointer, with its future in a box.
pub(super) trait CallListen<F: ContextFamily, V>: Send + Sync {
    fn call<'h>(&'h self, context: &'h Owned<F>) -> BoxFuture<'h, Result<V, F::Error>>;
}

struct ListenCall<H>(H);

impl<F, V, H> CallListen<F, V> for ListenCall<H>
where
    F: SharedFamily,
    H: AsyncListen<F, V>,
{
    fn call<'h>(&'h self, context: &'h Owned<F>) -> BoxFuture<'h, Result<V, F::Error>> {
        Box::pin(async move { self.0.listen(context).await })
    }
}

struct BoxedListenClosure<H>(H);

impl<F, V, H> CallListen<F, V> for BoxedListenClosure<H>
where
    F: SharedFamily,
    H: for<'h> Fn(&'h Owned<F>) -> BoxFuture<'h, Result<V, F::Error>> + Send + Sync,
{
    fn call<'h>(&'h self, context: &'h Owned<F>) -> BoxFuture<'h, Result<V, F::Error>> {
        Box::pin(async move { (self.0)(context).await })
    }
}

/// An [`AsyncListen`] hook, with what its failure does to the run and how long it may take.
pub struct AsyncListener<F: ContextFamily, V> {
    pub(super) hook: Arc<dyn CallListen<F, V>>,
    pub(super) on_error: OnError,
    pub(super) timeout: Option<Duration>,
    pub(super) circuit: Option<Circuit>,
}

impl<F, V> AsyncListener<F, V>
where
    F: SharedFamily,
{
    /// A hook whose failure halts the run.
    pub fn new(hook: impl AsyncListen<F, V> + 'static) -> Self
    where
        V: 'static,
    {
        Self::of(Arc::new(ListenCall(hook)))
    }

    /// As [`AsyncListener::new`], for a closure that returns a boxed future.
    pub fn new_fn<H>(hook: H) -> Self
    where
        V: 'static,
        H: for<'h> Fn(&'h Owned<F>) -> BoxFuture<'h, Result<V, F::Error>> + Send + Sync + 'static,
    {
        Self::of(Arc::new(BoxedListenClosure(hook)))
    }

    fn of(hook: Arc<dyn CallListen<F, V>>) -> Self {
        Self {
            hook,
            on_error: OnError::Halt,
            timeout: None,
            circuit: None,
        }
    }

    /// Says what a failure does to the run.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// How long it may take before its future is dropped and it fails with
    /// [`Cause::TimedOut`](crate::hook::Cause::TimedOut).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Gives it a circuit, as [`AsyncHook::circuit`](super::AsyncHook::circuit) does.
    #[must_use]
    pub fn circuit(mut self, circuit: impl Into<Circuit>) -> Self {
        self.circuit = Some(circuit.into());
        self
    }
}

impl<F: ContextFamily, V> Listed for AsyncListener<F, V> {
    fn kind(&self) -> HookKind {
        HookKind::Listen
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn circuit(&self) -> Option<&Circuit> {
        self.circuit.as_ref()
    }
}

impl<F: ContextFamily, V> Clone for AsyncListener<F, V> {
    fn clone(&self) -> Self {
        Self {
            hook: self.hook.clone(),
            on_error: self.on_error,
            timeout: self.timeout,
            circuit: self.circuit.clone(),
        }
    }
}

impl<F: ContextFamily, V> fmt::Debug for AsyncListener<F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncListener")
            .field("on_error", &self.on_error)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
