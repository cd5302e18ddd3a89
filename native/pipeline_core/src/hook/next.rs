use std::fmt;
use std::thread;

use super::failure::panic_message;
use super::rescue::RescueRef;
use super::{Cause, Chain, ContextFamily, HookError, Inner, RunFailure, WrapError};

/// The base operation, as the inside of a chain sees it.
pub(super) type Core<'r, 'c, F> = dyn FnMut(&mut <F as ContextFamily>::Context<'c>) -> Result<(), <F as ContextFamily>::Error>
    + 'r;

pub(super) type Skipped<F> = Vec<HookError<<F as ContextFamily>::Error>>;

/// What an [`Around`](super::Around) or [`Replace`](super::Replace) hook wraps.
pub struct Next<'r, 'c, F: ContextFamily> {
    pub(super) chain: &'r Chain<F>,
    pub(super) rest: Rest,
    pub(super) core: &'r mut Core<'r, 'c, F>,
    pub(super) skipped: &'r mut Skipped<F>,
    /// `Some` when the hook's own failure is skipped: then what `next` gave is kept.
    pub(super) rescue: Option<RescueRef<F>>,
    pub(super) last: Last<F::Context<'c>>,
    pub(super) failure: Option<RunFailure<F::Error>>,
}

/// Where the inside begins: at this around, or at this replace hook.
#[derive(Clone, Copy)]
pub(super) enum Rest {
    Arounds(usize),
    Replaces(usize),
}

/// How a hook that wraps others failed.
pub(super) enum Ended<E> {
    /// What it wraps did, and it handed that on.
    Inside(RunFailure<E>),
    Itself(Cause<E>),
}

/// What came of the last call.
pub(super) enum Last<C> {
    NotCalled,
    Done(Option<C>),
    Failed,
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
                self.last = Last::Done(self.rescue.map(|rescue| rescue.copy(context)));
                Ok(())
            }
            Err(failure) => {
                self.last = Last::Failed;
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
    pub(super) fn blame(
        &mut self,
        failed: thread::Result<Result<(), WrapError<F::Error>>>,
    ) -> Ended<F::Error> {
        Ended::Itself(match failed {
            Ok(Err(WrapError::Own(error))) => Cause::Failed(error),
            Ok(_) => match self.failure.take() {
                Some(failure) => return Ended::Inside(failure),
                None => Cause::Stray,
            },
            Err(payload) => Cause::Panicked(panic_message(&*payload)),
        })
    }

    /// What stands when the hook is skipped: what `next` gave, or gives now if it was not called.
    pub(super) fn yielded(
        mut self,
        context: &mut F::Context<'c>,
        saved: Option<F::Context<'c>>,
    ) -> Result<(), RunFailure<F::Error>> {
        match self.last {
            Last::NotCalled => {
                if let Some(saved) = saved {
                    *context = saved;
                }
                self.run_rest(context)
            }
            Last::Done(given) => {
                if let Some(given) = given {
                    *context = given;
                }
                Ok(())
            }
            Last::Failed => self.failure.take().map_or(Ok(()), Err),
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
