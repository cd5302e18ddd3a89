use super::ContextFamily;

/// How a run goes on after a [`Before`] hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// On to the next hook.
    Continue,
    /// The context as it stands is the result: later before hooks, replace hooks and the base operation do not run.
    Answer,
}

/// A hook that runs ahead of the base operation.
pub trait Before<F: ContextFamily>: Send + Sync {
    /// Reads and changes the context in place.
    fn before(&self, context: &mut F::Context<'_>) -> Result<Flow, F::Error>;
}

/// A hook that runs on the result.
pub trait After<F: ContextFamily>: Send + Sync {
    /// Reads and changes the result in place.
    fn after(&self, result: &mut F::Context<'_>) -> Result<(), F::Error>;
}
