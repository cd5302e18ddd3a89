use super::native_around::AnyState;
use super::{DynNativeAround, Ended, Enter, Leave};
use crate::context::TermContext;
use crate::failure::Failure;
use crate::hook::Registration;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A configured native around; copies share it.
#[derive(Clone)]
pub struct ConfiguredAround {
    object: Arc<dyn DynNativeAround>,
    registration: &'static Registration,
}

impl ConfiguredAround {
    pub(crate) fn new(
        object: Arc<dyn DynNativeAround>,
        registration: &'static Registration,
    ) -> Self {
        Self {
            object,
            registration,
        }
    }

    /// Its registration.
    pub fn registration(&self) -> &'static Registration {
        self.registration
    }

    /// Its first half; a panic comes back as [`Failure::Panicked`].
    pub(super) fn enter<'a>(
        &self,
        context: &mut TermContext<'a>,
    ) -> Result<Enter<'a, AnyState>, Failure> {
        // As with other hooks: a context that a panic left half-changed is not handed out.
        catch_unwind(AssertUnwindSafe(|| self.object.enter(context)))
            .unwrap_or_else(|payload| Err(Failure::from_panic(&*payload)))
    }

    /// Its second half; `None` if the state is another around's.
    pub(super) fn leave<'a>(
        &self,
        state: &mut AnyState,
        ended: Ended<'a>,
        context: &mut TermContext<'a>,
    ) -> Option<Result<Leave<'a>, Failure>> {
        catch_unwind(AssertUnwindSafe(|| {
            self.object.leave(state, ended, context)
        }))
        .unwrap_or_else(|payload| Some(Err(Failure::from_panic(&*payload))))
    }
}

impl fmt::Debug for ConfiguredAround {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConfiguredAround")
            .field(&self.registration.name)
            .finish()
    }
}
