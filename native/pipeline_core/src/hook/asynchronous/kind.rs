use super::{AsyncFamily, AsyncNext, Owned};
use crate::hook::{Flow, WrapError};

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

/// A hook that wraps everything inside, and may wait; see [`Around`](crate::hook::Around).
///
/// ```
/// # use pipeline_core::hook::ContextFamily;
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// use pipeline_core::hook::WrapError;
/// use pipeline_core::hook::asynchronous::{AsyncAround, AsyncNext};
///
/// struct Tries(u32);
///
/// impl AsyncAround<Texts> for Tries {
///     async fn around(
///         &self,
///         text: &mut String,
///         next: &mut AsyncNext<'_, Texts>,
///     ) -> Result<(), WrapError<&'static str>> {
///         for _ in 1..self.0 {
///             let kept = text.clone();
///             if next.call(text).await.is_ok() {
///                 return Ok(());
///             }
///             *text = kept;
///         }
///         Ok(next.call(text).await?)
///     }
/// }
/// ```
pub trait AsyncAround<F: AsyncFamily>: Send + Sync {
    /// Goes on with `next`, once, several times or not at all.
    ///
    /// The context that it leaves is the result. A failure of `next` can be handed on (`?` does) or dealt
    /// with.
    fn around(
        &self,
        context: &mut Owned<F>,
        next: &mut AsyncNext<'_, F>,
    ) -> impl Future<Output = Result<(), WrapError<F::Error>>> + Send;
}

/// A hook that stands in for the base operation, and may wait; see [`Replace`](crate::hook::Replace).
///
/// ```
/// # use pipeline_core::hook::ContextFamily;
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// use pipeline_core::hook::WrapError;
/// use pipeline_core::hook::asynchronous::{AsyncHook, AsyncNext};
///
/// async fn cached(text: &mut String, next: &mut AsyncNext<'_, Texts>) -> Result<(), WrapError<&'static str>> {
///     if text == "hello" {
///         text.push('!');
///         return Ok(());
///     }
///     Ok(next.call(text).await?)
/// }
///
/// let hook = AsyncHook::<Texts>::replace(cached);
/// ```
pub trait AsyncReplace<F: AsyncFamily>: Send + Sync {
    /// Does the work, or falls back on `next`: the next replace hook, and finally the base operation.
    fn replace(
        &self,
        context: &mut Owned<F>,
        next: &mut AsyncNext<'_, F>,
    ) -> impl Future<Output = Result<(), WrapError<F::Error>>> + Send;
}
