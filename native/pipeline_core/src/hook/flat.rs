use std::panic::{AssertUnwindSafe, catch_unwind};

use super::chain::Step;
use super::failure::panic_message;
use super::{Cause, Chain, Circuit, ContextFamily, Failure, Flow, HookError, Kind};

impl<F: ContextFamily> Chain<F> {
    /// The part inside the arounds: before hooks, `base`, after hooks.
    ///
    /// These hooks run in a loop and not inside each other: nothing is built for a call, and their number does not
    /// show on the stack.
    pub(super) fn run_inside<'c>(
        &self,
        context: &mut F::Context<'c>,
        base: impl FnOnce(
            &mut F::Context<'c>,
            &mut Vec<HookError<F::Error>>,
        ) -> Result<(), Failure<F::Error>>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), Failure<F::Error>> {
        let flow = self.run_flat(
            Kind::Before,
            &self.befores,
            context,
            skipped,
            |step, context| step.hook.before(context),
        )?;
        if flow == Flow::Continue {
            base(context, skipped)?;
        }
        self.run_flat(
            Kind::After,
            &self.afters,
            context,
            skipped,
            |step, context| step.hook.after(context).map(|()| Flow::Continue),
        )?;
        Ok(())
    }

    /// Calls hooks one after the other until one answers.
    fn run_flat<'c, H: ?Sized>(
        &self,
        kind: Kind,
        steps: &[Step<F, H>],
        context: &mut F::Context<'c>,
        skipped: &mut Vec<HookError<F::Error>>,
        call: impl Fn(&Step<F, H>, &mut F::Context<'c>) -> Result<Flow, F::Error>,
    ) -> Result<Flow, Failure<F::Error>> {
        let mut at = 0;
        while at < steps.len() {
            let mut saved = None;
            // One guard for all hooks up to the first that fails or has a circuit; `at` tells which one that was.
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                for step in &steps[at..] {
                    if let Some(policy) = &step.policy {
                        if let Some(circuit) = &policy.circuit {
                            return Ok(Reached::Circuit(circuit));
                        }
                        saved = policy.rescue.map(|rescue| rescue.copy(context));
                    }
                    match call(step, context) {
                        Ok(Flow::Continue) => at += 1,
                        other => return other.map(Reached::End),
                    }
                }
                Ok(Reached::End(Flow::Continue))
            }));
            let cause = match outcome {
                Ok(Ok(Reached::End(flow))) => return Ok(flow),
                Ok(Ok(Reached::Circuit(circuit))) => {
                    let step = &steps[at];
                    saved = None;
                    match self.call_behind(circuit, kind, at, || {
                        saved = step.rescue().map(|rescue| rescue.copy(context));
                        call(step, context)
                    }) {
                        Ok(Flow::Continue) => {
                            at += 1;
                            continue;
                        }
                        Ok(Flow::Answer) => return Ok(Flow::Answer),
                        Err(cause) => cause,
                    }
                }
                Ok(Err(error)) => Cause::Failed(error),
                Err(payload) => Cause::Panicked(panic_message(&*payload)),
            };
            let error = self.error(kind, at, cause);
            if steps[at].rescue().is_none() {
                return Err(Failure::Hook(error));
            }
            // There is none of a hook that was not called.
            if let Some(saved) = saved {
                *context = saved;
            }
            skipped.push(error);
            at += 1;
        }
        Ok(Flow::Continue)
    }

    /// Calls one hook if its circuit lets it.
    #[inline(never)]
    fn call_behind(
        &self,
        circuit: &Circuit,
        kind: Kind,
        index: usize,
        call: impl FnOnce() -> Result<Flow, F::Error>,
    ) -> Result<Flow, Cause<F::Error>> {
        let admitted = self.listing.admit(kind, index, Some(circuit))?;
        let result = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => result.map_err(Cause::Failed),
            Err(payload) => Err(Cause::Panicked(panic_message(&*payload))),
        };
        admitted.ended::<F>(result.as_ref().err());
        result
    }
}

/// How far hooks that are called one after the other got.
enum Reached<'s> {
    End(Flow),
    /// To a hook with this.
    Circuit(&'s Circuit),
}
