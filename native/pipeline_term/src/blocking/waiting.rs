use super::Start;
use crate::hook::{Phase, Registration};
use std::fmt;
use std::sync::Arc;

/// A configured async hook; copies share it.
#[derive(Clone)]
pub struct Waiting {
    pub(super) object: Arc<dyn Start>,
    registration: &'static Registration,
}

impl Waiting {
    pub(crate) fn new(object: Arc<dyn Start>, registration: &'static Registration) -> Self {
        Self {
            object,
            registration,
        }
    }

    /// What kind of hook it is.
    pub fn registration(&self) -> &'static Registration {
        self.registration
    }

    /// Whether it serves `phase`.
    pub fn serves(&self, phase: Phase) -> bool {
        self.registration.phases.contains(&phase)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waiting")
            .field(&self.registration.name)
            .finish()
    }
}
