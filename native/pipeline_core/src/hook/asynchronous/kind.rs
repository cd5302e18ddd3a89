use super::{AsyncFamily, Owned};
use crate::hook::Flow;

/// A hook that runs ahead of the base operation, and may wait.
///
/// ```
/// use pipeline_core::hook::asynchronous::AsyncBefore;
/// use pipeline_core::hook::{ContextFamily, Flow};
///
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// struct Greet(String);
///
/// impl AsyncBefore<Texts> for Greet {
///     async fn before(&self, text: &mut String) -> Result<Flow, &'static str> {
///         tokio::task::yield_now().await;
///         text.insert_str(0, &self.0);
///         Ok(Flow::Continue)
///     }
/// }
/// ```
pub trait AsyncBefore<F: AsyncFamily>: Send + Sync {
    /// Reads and changes the context in place.
    fn before(&self, context: &mut Owned<F>)
    -> impl Future<Output = Result<Flow, F::Error>> + Send;
}

/// A hook that runs on the result, and may wait.
///
/// ```
/// # use pipeline_core::hook::ContextFamily;
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// use pipeline_core::hook::asynchronous::{AsyncAfter, AsyncHook};
///
/// struct Cut(usize);
///
/// impl AsyncAfter<Texts> for Cut {
///     async fn after(&self, text: &mut String) -> Result<(), &'static str> {
///         text.truncate(self.0);
///         Ok(())
///     }
/// }
///
/// let hook = AsyncHook::after(Cut(80));
/// assert_eq!(hook.kind().name(), "after");
/// ```
pub trait AsyncAfter<F: AsyncFamily>: Send + Sync {
    /// Reads and changes the result in place.
    fn after(&self, result: &mut Owned<F>) -> impl Future<Output = Result<(), F::Error>> + Send;
}
