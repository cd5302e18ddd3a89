use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::failure::panic_message;
use super::rescue::RescueRef;
use super::{Cause, Chain, ContextFamily, Failure, HookError, Inner, Kind, WrapError};

/// The base operation, as the inside of a chain sees it.
type Core<'r, 'c, F> = dyn FnMut(&mut <F as ContextFamily>::Context<'c>) -> Result<(), <F as ContextFamily>::Error>
    + 'r;

type Skipped<F> = Vec<HookError<<F as ContextFamily>::Error>>;

/// What an [`Around`](super::Around) or [`Replace`](super::Replace) hook wraps.
pub struct Next<'r, 'c, F: ContextFamily> {
    chain: &'r Chain<F>,
    rest: Rest,
    core: &'r mut Core<'r, 'c, F>,
    skipped: &'r mut Skipped<F>,
    /// `Some` when the hook's own failure is skipped: then what `next` gave is kept.
    rescue: Option<RescueRef<F>>,
    last: Last<F::Context<'c>>,
    failure: Option<Failure<F::Error>>,
}

/// Where the inside begins: at this around, or at this replace hook.
#[derive(Clone, Copy)]
enum Rest {
    Arounds(usize),
    Replaces(usize),
}

/// What came of the last call.
enum Last<C> {
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
        let result = match self.rest {
            Rest::Arounds(from) => self
                .chain
                .run_arounds(from, context, self.core, self.skipped),
            Rest::Replaces(from) => self
                .chain
                .run_replaces(from, context, self.core, self.skipped),
        };
        match result {
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
    pub fn failure(&self) -> Option<&Failure<F::Error>> {
        self.failure.as_ref()
    }

    /// What stands when the hook is skipped: what `next` gave, or gives now if it was not called.
    fn yielded(
        mut self,
        context: &mut F::Context<'c>,
        saved: F::Context<'c>,
    ) -> Result<(), Failure<F::Error>> {
        match self.last {
            Last::NotCalled => {
                *context = saved;
                match self.rest {
                    Rest::Arounds(from) => {
                        self.chain
                            .run_arounds(from, context, self.core, self.skipped)
                    }
                    Rest::Replaces(from) => {
                        self.chain
                            .run_replaces(from, context, self.core, self.skipped)
                    }
                }
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

impl<F: ContextFamily> Chain<F> {
    /// The arounds from this one on, and what they wrap. The depth is bounded by `MAX_NESTING`.
    pub(super) fn run_arounds<'c>(
        &self,
        from: usize,
        context: &mut F::Context<'c>,
        core: &mut Core<'_, 'c, F>,
        skipped: &mut Skipped<F>,
    ) -> Result<(), Failure<F::Error>> {
        let Some(step) = self.arounds.get(from) else {
            return self.run_inside(
                context,
                |context, skipped| self.run_replaces(0, context, core, skipped),
                skipped,
            );
        };
        let next = self.next(Rest::Arounds(from + 1), core, skipped, step.rescue);
        self.wrap(Kind::Around, from, context, next, |context, next| {
            step.hook.around(context, next)
        })
    }

    /// The replace hooks from this one on, and finally the base operation.
    fn run_replaces<'c>(
        &self,
        from: usize,
        context: &mut F::Context<'c>,
        core: &mut Core<'_, 'c, F>,
        skipped: &mut Skipped<F>,
    ) -> Result<(), Failure<F::Error>> {
        let Some(step) = self.replaces.get(from) else {
            // Its panic passes through hooks that are not to blame for it.
            return match catch_unwind(AssertUnwindSafe(|| core(context))) {
                Ok(result) => result.map_err(Failure::Core),
                Err(payload) => Err(Failure::CorePanicked(payload)),
            };
        };
        let next = self.next(Rest::Replaces(from + 1), core, skipped, step.rescue);
        self.wrap(Kind::Replace, from, context, next, |context, next| {
            step.hook.replace(context, next)
        })
    }

    fn next<'r, 'c>(
        &'r self,
        rest: Rest,
        core: &'r mut Core<'_, 'c, F>,
        skipped: &'r mut Skipped<F>,
        rescue: Option<RescueRef<F>>,
    ) -> Next<'r, 'c, F> {
        Next {
            chain: self,
            rest,
            core,
            skipped,
            rescue,
            last: Last::NotCalled,
            failure: None,
        }
    }

    /// Calls one hook that wraps others, and tells its own failure from one that it hands on.
    fn wrap<'r, 'c>(
        &self,
        kind: Kind,
        index: usize,
        context: &mut F::Context<'c>,
        mut next: Next<'r, 'c, F>,
        call: impl FnOnce(&mut F::Context<'c>, &mut Next<'r, 'c, F>) -> Result<(), WrapError<F::Error>>,
    ) -> Result<(), Failure<F::Error>> {
        let saved = next.rescue.map(|rescue| rescue.copy(context));
        let cause = match catch_unwind(AssertUnwindSafe(|| call(context, &mut next))) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(WrapError::Own(error))) => Cause::Failed(error),
            Ok(Err(WrapError::Inner(_))) => match next.failure.take() {
                Some(failure) => return Err(failure),
                None => Cause::Stray,
            },
            Err(payload) => Cause::Panicked(panic_message(&*payload)),
        };
        let error = self.error(kind, index, cause);
        let Some(saved) = saved else {
            return Err(Failure::Hook(error));
        };
        next.skipped.push(error);
        next.yielded(context, saved)
    }
}
