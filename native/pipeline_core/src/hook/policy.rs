use serde::{Deserialize, Serialize};

use super::{Circuit, ContextFamily};

/// Whether the failure of a hook ends the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Ends the run with an error that names the hook.
    #[default]
    Halt,
    /// The run goes on as if the hook were not there, and the failure is reported beside the result.
    Skip,
}

/// The policy of a hook's calls.
pub(super) struct Policy<F: ContextFamily> {
    /// `Some` when a failure is skipped.
    pub(super) rescue: Option<RescueRef<F>>,
    pub(super) circuit: Option<Circuit>,
}

impl<F: ContextFamily> Policy<F> {
    pub(super) fn set_on_error(&mut self, on_error: OnError)
    where
        for<'c> F::Context<'c>: Clone,
    {
        self.rescue = match on_error {
            OnError::Halt => None,
            OnError::Skip => Some(&ByClone),
        };
    }

    pub(super) fn on_error(&self) -> OnError {
        self.rescue.map_or(OnError::Halt, |_| OnError::Skip)
    }

    /// `None` when nothing is special, so that a call has one thing to look at.
    pub(super) fn unless_plain(self) -> Option<Box<Self>> {
        (self.rescue.is_some() || self.circuit.is_some()).then(|| Box::new(self))
    }
}

impl<F: ContextFamily> Default for Policy<F> {
    fn default() -> Self {
        Self {
            rescue: None,
            circuit: None,
        }
    }
}

impl<F: ContextFamily> Clone for Policy<F> {
    fn clone(&self) -> Self {
        Self {
            rescue: self.rescue,
            circuit: self.circuit.clone(),
        }
    }
}

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
