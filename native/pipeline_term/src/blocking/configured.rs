use super::DynAsyncHook;
use crate::hook::{Phase, Registration};
use std::fmt;
use std::sync::Arc;

/// A configured async hook; copies share it.
#[derive(Clone)]
pub struct ConfiguredAsyncHook {
    pub(super) object: Arc<dyn DynAsyncHook>,
    registration: &'static Registration,
}

impl ConfiguredAsyncHook {
    pub(crate) fn new(object: Arc<dyn DynAsyncHook>, registration: &'static Registration) -> Self {
        Self {
            object,
            registration,
        }
    }

    /// Its registration.
    pub fn registration(&self) -> &'static Registration {
        self.registration
    }

    /// Whether it serves `phase`.
    pub fn serves(&self, phase: Phase) -> bool {
        self.registration.phases.contains(&phase)
    }
}

impl fmt::Debug for ConfiguredAsyncHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConfiguredAsyncHook")
            .field(&self.registration.name)
            .finish()
    }
}
