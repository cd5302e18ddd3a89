use super::{DynNativeHook, Flow, Phase, Registration};
use crate::context::TermContext;
use crate::failure::Failure;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A configured native hook; copies share it.
#[derive(Clone)]
pub struct ConfiguredHook {
    object: Arc<dyn DynNativeHook>,
    registration: &'static Registration,
}

impl ConfiguredHook {
    pub(super) fn new(object: Arc<dyn DynNativeHook>, registration: &'static Registration) -> Self {
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

    /// Calls it, for a caller that catches its panics.
    ///
    /// # Errors
    /// The hook's own.
    #[inline]
    pub(crate) fn call(
        &self,
        phase: Phase,
        context: &mut TermContext<'_>,
    ) -> Result<Flow, Failure> {
        self.object.run(phase, context)
    }

    /// Whether [`is_long`](Self::is_long) has to be asked before a call.
    pub(crate) fn scales(&self) -> bool {
        self.object.scales()
    }

    /// Whether a call on this context belongs on a dirty scheduler.
    pub(crate) fn is_long(&self, context: &TermContext<'_>) -> bool {
        self.object.is_long(context)
    }

    /// Calls it; a panic comes back as [`Failure::Panicked`].
    ///
    /// # Errors
    /// The hook's own, and that of a panic.
    pub fn run(&self, phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        // A half-made change of the context is either rolled back or never handed out; a hook's own state
        // behind `&self` is guarded by what it is made of, locks and atomics.
        catch_unwind(AssertUnwindSafe(|| self.call(phase, context)))
            .unwrap_or_else(|payload| Err(Failure::from_panic(&*payload)))
    }
}

impl fmt::Debug for ConfiguredHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConfiguredHook")
            .field(&self.registration.name)
            .finish()
    }
}
