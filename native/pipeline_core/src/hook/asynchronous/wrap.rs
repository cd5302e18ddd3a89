use super::callback::CallWrap;
use super::chain::AsyncStep;
use super::clock::Clock;
use super::guard::guarded;
use super::next::{Inside, Outcome};
use super::run_error::RunPosition;
use super::{AsyncFamily, AsyncNext, BoxFuture, Owned};
use crate::hook::failure::panic_message;
use crate::hook::next::Rest;
use crate::hook::policy::Policy;
use crate::hook::verdict::{AfterFailure, Blame, NextCall, blame};
use crate::hook::{Cause, HookKind, RunFailure};

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
            last: NextCall::None,
            failure: None,
        };
        let ended = match chain.listing.admit(kind, index, circuit.as_ref()) {
            Err(open) => Err(Blame::Itself(open)),
            Ok(admitted) => {
                saved = rescue.map(|rescue| rescue.copy(context));
                let ended = self.attempt(step, rest, &mut outcome, context).await;
                admitted.ended::<F>(match &ended {
                    Err(Blame::Itself(cause)) => Some(cause),
                    _ => None,
                });
                ended
            }
        };
        let cause = match ended {
            Ok(()) => return Ok(()),
            Err(Blame::Inside(failure)) => return Err(failure),
            Err(Blame::Itself(cause)) => cause,
        };
        let error = self.chain.error(kind, index, cause);
        let after = outcome.last.after_failure(step.policy.on_error());
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
            AfterFailure::HandOn => outcome.failure.take().map_or(Ok(()), Err),
            AfterFailure::GoOn | AfterFailure::End => {
                if let Some(saved) = saved {
                    *context = saved;
                }
                self.reborrow().run_rest(rest, context).await
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
    ) -> Result<(), Blame<F::Error>> {
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
        Err(match result {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(error))) => blame(error, &mut outcome.failure),
            Ok(Err(payload)) => Blame::Itself(Cause::Panicked(panic_message(&*payload))),
            Err(limit) => Blame::Itself(Cause::TimedOut(limit)),
        })
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
