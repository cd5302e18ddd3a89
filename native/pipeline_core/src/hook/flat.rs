use std::panic::{AssertUnwindSafe, catch_unwind};

use super::chain::Step;
use super::failure::panic_message;
use super::{Cause, Chain, ContextFamily, Failure, Flow, HookError, Kind};

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
            // One guard for all hooks up to the first that fails; `at` tells which one that was.
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                for step in &steps[at..] {
                    if let Some(rescue) = step.rescue {
                        saved = Some(rescue.copy(context));
                    }
                    match call(step, context) {
                        Ok(Flow::Continue) => at += 1,
                        other => return other,
                    }
                }
                Ok(Flow::Continue)
            }));
            let cause = match outcome {
                Ok(Ok(flow)) => return Ok(flow),
                Ok(Err(error)) => Cause::Failed(error),
                Err(payload) => Cause::Panicked(panic_message(&*payload)),
            };
            let error = self.error(kind, at, cause);
            let Some(saved) = saved.filter(|_| steps[at].rescue.is_some()) else {
                return Err(Failure::Hook(error));
            };
            *context = saved;
            skipped.push(error);
            at += 1;
        }
        Ok(Flow::Continue)
    }
}
