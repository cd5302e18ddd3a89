//! Functions and closures are hooks. Closures write the type of their context out, so that they take any
//! lifetime.

use super::{After, Around, Before, ContextFamily, Flow, Listen, Next, Replace, WrapError};

impl<F, H> Before<F> for H
where
    F: ContextFamily,
    H: for<'c> Fn(&mut F::Context<'c>) -> Result<Flow, F::Error> + Send + Sync,
{
    fn before(&self, context: &mut F::Context<'_>) -> Result<Flow, F::Error> {
        self(context)
    }
}

impl<F, H> After<F> for H
where
    F: ContextFamily,
    H: for<'c> Fn(&mut F::Context<'c>) -> Result<(), F::Error> + Send + Sync,
{
    fn after(&self, result: &mut F::Context<'_>) -> Result<(), F::Error> {
        self(result)
    }
}

impl<F, H> Around<F> for H
where
    F: ContextFamily,
    H: for<'r, 'c> Fn(&mut F::Context<'c>, &mut Next<'r, 'c, F>) -> Result<(), WrapError<F::Error>>
        + Send
        + Sync,
{
    fn around<'c>(
        &self,
        context: &mut F::Context<'c>,
        next: &mut Next<'_, 'c, F>,
    ) -> Result<(), WrapError<F::Error>> {
        self(context, next)
    }
}

impl<F, H> Replace<F> for H
where
    F: ContextFamily,
    H: for<'r, 'c> Fn(&mut F::Context<'c>, &mut Next<'r, 'c, F>) -> Result<(), WrapError<F::Error>>
        + Send
        + Sync,
{
    fn replace<'c>(
        &self,
        context: &mut F::Context<'c>,
        next: &mut Next<'_, 'c, F>,
    ) -> Result<(), WrapError<F::Error>> {
        self(context, next)
    }
}

impl<F, V, H> Listen<F, V> for H
where
    F: ContextFamily,
    H: for<'c> Fn(&F::Context<'c>) -> Result<V, F::Error> + Send + Sync,
{
    fn listen(&self, context: &F::Context<'_>) -> Result<V, F::Error> {
        self(context)
    }
}
