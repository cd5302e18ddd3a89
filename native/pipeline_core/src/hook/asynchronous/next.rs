use std::fmt;

use super::clock::Clock;
use super::run_error::RunPosition;
use super::{AsyncChain, AsyncCore, AsyncFamily, Owned};
use crate::hook::next::Rest;
use crate::hook::policy::RescueRef;
use crate::hook::verdict::NextCall;
use crate::hook::{ContextFamily, HookError, Inner, RunFailure};

/// The inside of an [`AsyncAround`](super::AsyncAround) or [`AsyncReplace`](super::AsyncReplace) hook.
pub struct AsyncNext<'r, F: ContextFamily> {
    pub(super) inside: Inside<'r, F>,
    pub(super) rest: Rest,
    pub(super) outcome: &'r mut Outcome<F>,
    /// `Some` when the hook's own failure is skipped: then what `next` gave is kept.
    pub(super) rescue: Option<RescueRef<F>>,
    pub(super) clock: Option<&'r Clock>,
}

/// The state of a run, shared by its hooks.
pub(super) struct Inside<'r, F: ContextFamily> {
    pub(super) chain: &'r AsyncChain<F>,
    pub(super) core: &'r mut (dyn AsyncCore<F> + 'r),
    pub(super) skipped: &'r mut Vec<HookError<F::Error>>,
    pub(super) position: &'r mut RunPosition,
}

/// The results of the calls.
pub(super) struct Outcome<F: ContextFamily> {
    pub(super) last: NextCall<Option<Owned<F>>>,
    pub(super) failure: Option<RunFailure<F::Error>>,
}

impl<F: AsyncFamily> AsyncNext<'_, F> {
    /// Runs the inside on `context`, which holds its result afterwards. Each call runs it anew.
    ///
    /// Dropping the future drops what runs inside. A hook that does so and then fails is not skipped: what
    /// ran once would run twice.
    ///
    /// # Errors
    ///
    /// [`Inner`] when the inside failed; [`AsyncNext::failure`] then says how.
    pub async fn call(&mut self, context: &mut Owned<F>) -> Result<(), Inner<F::Error>> {
        self.outcome.last = NextCall::Dropped;
        let position = *self.inside.position;
        let paused = self.clock.map(Clock::pause);
        let inside = self.inside.reborrow();
        let result = match self.rest {
            Rest::Arounds(from) => inside.run_arounds(from, context).await,
            Rest::Replaces(from) => inside.run_replaces(from, context).await,
        };
        drop(paused);
        *self.inside.position = position;
        match result {
            Ok(()) => {
                self.outcome.last = NextCall::Done(self.rescue.map(|rescue| rescue.copy(context)));
                Ok(())
            }
            Err(failure) => {
                self.outcome.last = NextCall::Failed;
                self.outcome.failure = Some(failure);
                Err(Inner::new())
            }
        }
    }
}

impl<F: ContextFamily> AsyncNext<'_, F> {
    /// How the last call that failed did.
    pub fn failure(&self) -> Option<&RunFailure<F::Error>> {
        self.outcome.failure.as_ref()
    }
}

impl<F: ContextFamily> Inside<'_, F> {
    pub(super) fn reborrow(&mut self) -> Inside<'_, F> {
        Inside {
            chain: self.chain,
            core: &mut *self.core,
            skipped: &mut *self.skipped,
            position: &mut *self.position,
        }
    }
}

impl<F: ContextFamily> fmt::Debug for AsyncNext<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncNext")
            .field("point", self.inside.chain.point())
            .finish_non_exhaustive()
    }
}
