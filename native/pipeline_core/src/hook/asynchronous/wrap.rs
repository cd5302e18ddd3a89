use super::callback::CallWrap;
use super::chain::AsyncStep;
use super::clock::Clock;
use super::guard::guarded;
use super::next::{Inside, Last, Outcome, Rest};
use super::run_error::RunPosition;
use super::{AsyncFamily, AsyncNext, BoxFuture, Owned};
use crate::hook::failure::panic_message;
use crate::hook::next::Ended;
use crate::hook::policy::Policy;
use crate::hook::{Cause, HookKind, RunFailure, WrapError};

impl<'r, F: AsyncFamily> Inside<'r, F> {
    /// The arounds from this one on, and what they wrap. The depth is bounded by `MAX_NESTING`.
    pub(super) async fn run_arounds(
        mut self,
        from: usize,
        context: &mut Owned<F>,
    ) -> Result<(), RunFailure<F::Error>> {
        let chain = self.chain;
        match chain.arounds.get(from) {
            Some(step) => {
                let rest = Rest::Arounds(from + 1);
                self.wrap(HookKind::Around, from, step, rest, context).await
            }
            None => self.run_flat(context).await,
        }
    }

    /// The replace hooks from this one on, and finally the base operation.
    pub(super) async fn run_replaces(
        mut self,
        from: usize,
        context: &mut Owned<F>,
    ) -> Result<(), RunFailure<F::Error>> {
        let chain = self.chain;
        if let Some(step) = chain.replaces.get(from) {
            let rest = Rest::Replaces(from + 1);
            return self
                .wrap(HookKind::Replace, from, step, rest, context)
                .await;
        }
        *self.position = RunPosition::Core;
        // Its panic passes through hooks that are not to blame for it.
        match guarded(async { self.core.call(context).await }).await {
            Ok(result) => result.map_err(RunFailure::Core),
            Err(payload) => Err(RunFailure::CorePanicked(payload)),
        }
    }

    /// Calls one hook that wraps others, and tells its own failure from one that it hands on.
    async fn wrap(
        &mut self,
        kind: HookKind,
        index: usize,
        step: &AsyncStep<F, dyn CallWrap<F>>,
        rest: Rest,
        context: &mut Owned<F>,
    ) -> Result<(), RunFailure<F::Error>> {
        *self.position = RunPosition::Hook(kind, index);
        let chain = self.chain;
        let Policy { rescue, circuit } = &step.policy;
        let mut saved = None;
        let mut outcome = Outcome {
            last: Last::NotCalled,
            failure: None,
        };
        let ended = match chain.listing.admit(kind, index, circuit.as_ref()) {
            Err(open) => Err(Ended::Itself(open)),
            Ok(admitted) => {
                saved = rescue.map(|rescue| rescue.copy(context));
                let ended = self.attempt(step, rest, &mut outcome, context).await;
                admitted.ended::<F>(match &ended {
                    Err(Ended::Itself(cause)) => Some(cause),
                    _ => None,
                });
                ended
            }
        };
        let cause = match ended {
            Ok(()) => return Ok(()),
            Err(Ended::Inside(failure)) => return Err(failure),
            Err(Ended::Itself(cause)) => cause,
        };
        let error = self.chain.error(kind, index, cause);
        if rescue.is_none() {
            return Err(RunFailure::Hook(error));
        }
        // What stands when the hook is skipped: what `next` gave, or gives now if it was not called.
        match outcome.last {
            Last::Dropped => Err(RunFailure::Hook(error)),
            Last::NotCalled => {
                self.skipped.push(error);
                if let Some(saved) = saved {
                    *context = saved;
                }
                self.reborrow().run_rest(rest, context).await
            }
            Last::Done(given) => {
                self.skipped.push(error);
                if let Some(given) = given {
                    *context = given;
                }
                Ok(())
            }
            Last::Failed => {
                self.skipped.push(error);
                outcome.failure.take().map_or(Ok(()), Err)
            }
        }
    }

    /// Calls a hook, and tells its own failure from one that it hands on.
    async fn attempt(
        &mut self,
        step: &AsyncStep<F, dyn CallWrap<F>>,
        rest: Rest,
        outcome: &mut Outcome<F>,
        context: &mut Owned<F>,
    ) -> Result<(), Ended<F::Error>> {
        let clock = step.timeout.map(|limit| (limit, Clock::new(limit)));
        let result = {
            let mut next = AsyncNext {
                inside: self.reborrow(),
                rest,
                outcome: &mut *outcome,
                rescue: step.policy.rescue,
                clock: clock.as_ref().map(|(_, clock)| clock),
            };
            let call = guarded(step.hook.call(context, &mut next));
            match &clock {
                None => Ok(call.await),
                Some((limit, clock)) => clock.limit(call).await.ok_or(*limit),
            }
        };
        Err(Ended::Itself(match result {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(WrapError::Own(error)))) => Cause::Failed(error),
            Ok(Ok(Err(WrapError::Inner(_)))) => match outcome.failure.take() {
                Some(failure) => return Err(Ended::Inside(failure)),
                None => Cause::Stray,
            },
            Ok(Err(payload)) => Cause::Panicked(panic_message(&*payload)),
            Err(limit) => Cause::TimedOut(limit),
        }))
    }

    /// In a box, since a future cannot hold one of its own kind.
    fn run_rest<'h>(
        self,
        rest: Rest,
        context: &'h mut Owned<F>,
    ) -> BoxFuture<'h, Result<(), RunFailure<F::Error>>>
    where
        'r: 'h,
    {
        match rest {
            Rest::Arounds(from) => Box::pin(self.run_arounds(from, context)),
            Rest::Replaces(from) => Box::pin(self.run_replaces(from, context)),
        }
    }
}
