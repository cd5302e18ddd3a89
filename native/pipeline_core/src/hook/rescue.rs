use super::ContextFamily;

/// Copies a context, so that a hook that fails half-way can be undone.
pub(super) trait Rescue<F: ContextFamily>: Sync {
    fn copy<'c>(&self, context: &F::Context<'c>) -> F::Context<'c>;
}

pub(super) type RescueRef<F> = &'static dyn Rescue<F>;

/// Copies by `Clone`.
pub(super) struct ByClone;

impl<F: ContextFamily> Rescue<F> for ByClone
where
    for<'c> F::Context<'c>: Clone,
{
    fn copy<'c>(&self, context: &F::Context<'c>) -> F::Context<'c> {
        context.clone()
    }
}
