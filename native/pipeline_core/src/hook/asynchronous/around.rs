use super::{AsyncFamily, AsyncNext, Owned};
use crate::hook::WrapError;

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
