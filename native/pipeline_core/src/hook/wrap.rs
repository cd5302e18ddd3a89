use std::panic::{AssertUnwindSafe, catch_unwind};

use super::next::{Core, Rest, Skipped};
use super::policy::Policy;
use super::policy::RescueRef;
use super::verdict::{Blame, NextCall};
use super::{Chain, ContextFamily, HookKind, Next, RunFailure, WrapError};

impl<F: ContextFamily> Chain<F> {
    /// The arounds from this one on, and what they wrap. The depth is bounded by `MAX_NESTING`.
    pub(super) fn run_arounds<'c>(
        &self,
        from: usize,
        context: &mut F::Context<'c>,
        core: &mut Core<'_, 'c, F>,
        skipped: &mut Skipped<F>,
    ) -> Result<(), RunFailure<F::Error>> {
        let Some(step) = self.arounds.get(from) else {
            return self.run_inside(
                context,
                |context, skipped| self.run_replaces(0, context, core, skipped),
                skipped,
            );
        };
        let next = self.next(Rest::Arounds(from + 1), core, skipped, step.rescue());
        let call = |context: &mut F::Context<'c>, next: &mut Next<'_, 'c, F>| {
            step.hook.around(context, next)
        };
        match &step.policy {
            None => self.wrap(HookKind::Around, from, context, next, call),
            Some(policy) => self.wrap_by(policy, HookKind::Around, from, context, next, call),
        }
    }

    /// The replace hooks from this one on, and finally the base operation.
    pub(super) fn run_replaces<'c>(
        &self,
        from: usize,
        context: &mut F::Context<'c>,
        core: &mut Core<'_, 'c, F>,
        skipped: &mut Skipped<F>,
    ) -> Result<(), RunFailure<F::Error>> {
        let Some(step) = self.replaces.get(from) else {
            // Its panic passes through hooks that are not to blame for it.
            return match catch_unwind(AssertUnwindSafe(|| core(context))) {
                Ok(result) => result.map_err(RunFailure::Core),
                Err(payload) => Err(RunFailure::CorePanicked(payload)),
            };
        };
        let next = self.next(Rest::Replaces(from + 1), core, skipped, step.rescue());
        let call = |context: &mut F::Context<'c>, next: &mut Next<'_, 'c, F>| {
            step.hook.replace(context, next)
        };
        match &step.policy {
            None => self.wrap(HookKind::Replace, from, context, next, call),
            Some(policy) => self.wrap_by(policy, HookKind::Replace, from, context, next, call),
        }
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
            last: NextCall::None,
            failure: None,
        }
    }

    /// Calls one hook that wraps others.
    fn wrap<'r, 'c>(
        &self,
        kind: HookKind,
        index: usize,
        context: &mut F::Context<'c>,
        mut next: Next<'r, 'c, F>,
        call: impl FnOnce(&mut F::Context<'c>, &mut Next<'r, 'c, F>) -> Result<(), WrapError<F::Error>>,
    ) -> Result<(), RunFailure<F::Error>> {
        match catch_unwind(AssertUnwindSafe(|| call(context, &mut next))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.blamed(kind, index, next.blame(Ok(error)))),
            Err(payload) => Err(self.blamed(kind, index, next.blame(Err(payload)))),
        }
    }

    /// As [`Chain::wrap`], for a hook that may be skipped or has a circuit.
    #[inline(never)]
    fn wrap_by<'r, 'c>(
        &self,
        policy: &Policy<F>,
        kind: HookKind,
        index: usize,
        context: &mut F::Context<'c>,
        mut next: Next<'r, 'c, F>,
        call: impl FnOnce(&mut F::Context<'c>, &mut Next<'r, 'c, F>) -> Result<(), WrapError<F::Error>>,
    ) -> Result<(), RunFailure<F::Error>> {
        let mut saved = None;
        let circuit = policy.circuit.as_ref();
        let ended = match self.listing.admit(kind, index, circuit) {
            Err(open) => Err(Blame::Itself(open)),
            Ok(admitted) => {
                saved = policy.rescue.map(|rescue| rescue.copy(context));
                let ended = match catch_unwind(AssertUnwindSafe(|| call(context, &mut next))) {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(next.blame(Ok(error))),
                    Err(payload) => Err(next.blame(Err(payload))),
                };
                admitted.ended::<F>(match &ended {
                    Err(Blame::Itself(cause)) => Some(cause),
                    _ => None,
                });
                ended
            }
        };
        match ended {
            Ok(()) => Ok(()),
            Err(Blame::Inside(failure)) => Err(failure),
            Err(Blame::Itself(cause)) => next.go_on(self.error(kind, index, cause), context, saved),
        }
    }

    /// The failure of a run that a hook of this kind and place has ended.
    #[cold]
    fn blamed(&self, kind: HookKind, index: usize, blame: Blame<F::Error>) -> RunFailure<F::Error> {
        match blame {
            Blame::Inside(failure) => failure,
            Blame::Itself(cause) => RunFailure::Hook(self.error(kind, index, cause)),
        }
    }
}
