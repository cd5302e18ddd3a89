use super::rescue::{ByClone, RescueRef};
use super::{Circuit, ContextFamily, OnError};

/// What applies to the calls of a hook.
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
