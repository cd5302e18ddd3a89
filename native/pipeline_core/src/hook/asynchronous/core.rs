use super::{AsyncFamily, BoxFuture, Owned};
use crate::hook::ContextFamily;

/// The base operation of an async run. It is called anew for each `next` that leads to it.
///
/// An `async fn` is one, and an async closure that captures references only; for any other closure there is
/// [`boxed`].
pub trait AsyncCore<F: ContextFamily>: Send {
    /// Does the work on the context, and leaves the result in it.
    fn call<'h>(&'h mut self, context: &'h mut Owned<F>) -> BoxFuture<'h, Result<(), F::Error>>;
}

/// A base operation from a closure that returns a boxed future. It hands its argument back: the signature is
/// what a closure on its own cannot express.
///
/// ```
/// # use pipeline_core::hook::ContextFamily;
/// use pipeline_core::hook::asynchronous::{AsyncChain, boxed};
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let chain = AsyncChain::<Texts>::empty("execute_node");
/// let (mut text, mut calls) = (String::new(), 0);
/// let core = boxed::<Texts, _>(|text| {
///     calls += 1;
///     let mark = calls.to_string();
///     Box::pin(async move { Ok(text.push_str(&mark)) })
/// });
/// chain.run(&mut text, core, &mut Vec::new()).await.unwrap();
/// assert_eq!((text.as_str(), calls), ("1", 1));
/// # }
/// ```
pub fn boxed<F, H>(core: H) -> H
where
    F: AsyncFamily,
    H: for<'h> FnMut(&'h mut Owned<F>) -> BoxFuture<'h, Result<(), F::Error>>,
{
    core
}
