use std::fmt;
use std::thread;

use super::failure::panic_message;
use super::policy::RescueRef;
use super::verdict::{AfterFailure, Blame, NextCall, blame};
use super::{Cause, Chain, ContextFamily, HookError, Inner, OnError, RunFailure, WrapError};

/// The base operation, as the inside of a chain sees it.
pub(super) type Core<'r, 'c, F> = dyn FnMut(&mut <F as ContextFamily>::Context<'c>) -> Result<(), <F as ContextFamily>::Error>
    + 'r;

pub(super) type Skipped<F> = Vec<HookError<<F as ContextFamily>::Error>>;

/// The inside of an [`Around`](super::Around) or [`Replace`](super::Replace) hook.
pub struct Next<'r, 'c, F: ContextFamily> {
    pub(super) chain: &'r Chain<F>,
    pub(super) rest: Rest,
    pub(super) core: &'r mut Core<'r, 'c, F>,
    pub(super) skipped: &'r mut Skipped<F>,
    /// `Some` when the hook's own failure is skipped: then what `next` gave is kept.
    pub(super) rescue: Option<RescueRef<F>>,
    /// The last call; the copy is made only where the hook may be skipped.
    pub(super) last: NextCall<Option<F::Context<'c>>>,
    pub(super) failure: Option<RunFailure<F::Error>>,
}

/// Where the inside begins: at this around, or at this replace hook.
#[derive(Clone, Copy)]
pub(super) enum Rest {
    Arounds(usize),
    Replaces(usize),
}

impl<'c, F: ContextFamily> Next<'_, 'c, F> {
    /// Runs the inside on `context`, which holds its result afterwards. Each call runs it anew.
    ///
    /// # Errors
    ///
    /// [`Inner`] when the inside failed; [`Next::failure`] then says how.
    #[inline]
    pub fn call(&mut self, context: &mut F::Context<'c>) -> Result<(), Inner<F::Error>> {
        match self.run_rest(context) {
            Ok(()) => {
                self.last = NextCall::Done(self.rescue.map(|rescue| rescue.copy(context)));
                Ok(())
            }
            Err(failure) => {
                self.last = NextCall::Failed;
                self.failure = Some(failure);
                Err(Inner::new())
            }
        }
    }

    /// How the last call that failed did.
    pub fn failure(&self) -> Option<&RunFailure<F::Error>> {
        self.failure.as_ref()
    }

    fn run_rest(&mut self, context: &mut F::Context<'c>) -> Result<(), RunFailure<F::Error>> {
        match self.rest {
            Rest::Arounds(from) => self
                .chain
                .run_arounds(from, context, self.core, self.skipped),
            Rest::Replaces(from) => self
                .chain
                .run_replaces(from, context, self.core, self.skipped),
        }
    }

    /// Tells the hook's own failure from one that it hands on.
    #[cold]
    pub(super) fn blame(&mut self, failed: thread::Result<WrapError<F::Error>>) -> Blame<F::Error> {
        match failed {
            Ok(error) => blame(error, &mut self.failure),
            Err(payload) => Blame::Itself(Cause::Panicked(panic_message(&*payload))),
        }
    }

    /// Goes on after a failure of the hook itself. `saved` is the context that it was given.
    pub(super) fn go_on(
        mut self,
        error: HookError<F::Error>,
        context: &mut F::Context<'c>,
        saved: Option<F::Context<'c>>,
    ) -> Result<(), RunFailure<F::Error>> {
        let on_error = self.rescue.map_or(OnError::Halt, |_| OnError::Skip);
        let last = std::mem::replace(&mut self.last, NextCall::None);
        let after = last.after_failure(on_error);
        if let AfterFailure::End = after {
            return Err(RunFailure::Hook(error));
        }
        self.skipped.push(error);
        match after {
            AfterFailure::Keep(given) => {
                if let Some(given) = given {
                    *context = given;
                }
                Ok(())
            }
            AfterFailure::HandOn => self.failure.take().map_or(Ok(()), Err),
            AfterFailure::GoOn | AfterFailure::End => {
                if let Some(saved) = saved {
                    *context = saved;
                }
                self.run_rest(context)
            }
        }
    }
}

impl<F: ContextFamily> fmt::Debug for Next<'_, '_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next")
            .field("point", self.chain.point())
            .finish_non_exhaustive()
    }
}
