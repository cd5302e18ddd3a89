use std::pin::Pin;

use crate::hook::ContextFamily;

/// A family whose contexts can be handed to hooks that wait: they own what they hold, and may change threads.
///
/// Every [`ContextFamily`] with such contexts is one.
pub trait AsyncFamily: ContextFamily<Context<'static> = <Self as AsyncFamily>::Owned> {
    /// The contexts.
    type Owned: Send + 'static;
}

impl<F, C> AsyncFamily for F
where
    F: ContextFamily<Context<'static> = C>,
    C: Send + 'static,
{
    type Owned = C;
}

/// A family whose contexts can also be looked at by several threads at once, as those of listeners are.
pub trait SharedFamily: AsyncFamily<Owned: Sync> {}

impl<F> SharedFamily for F where F: AsyncFamily<Owned: Sync> {}

/// The contexts that async hooks of a family are called with.
pub type Owned<F> = <F as ContextFamily>::Context<'static>;

/// A future on the heap that may change threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
