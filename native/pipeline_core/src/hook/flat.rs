use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::failure::panic_message;
use super::step::{ChainStep, End};
use super::verdict::is_skipped;
use super::{Cause, Chain, ContextFamily, Flow, HookError, HookKind, RunFailure};

impl<F: ContextFamily> Chain<F> {
    /// The part inside the arounds: before hooks, `base`, after hooks.
    ///
    /// These hooks run in a loop and not inside each other: nothing is built for a call, and their number
    /// does not show on the stack.
    pub(super) fn run_inside<'c>(
        &self,
        context: &mut F::Context<'c>,
        base: impl FnOnce(
            &mut F::Context<'c>,
            &mut Vec<HookError<F::Error>>,
        ) -> Result<(), RunFailure<F::Error>>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), RunFailure<F::Error>> {
        let flow = self.run_flat(HookKind::Before, &self.befores, context, skipped)?;
        if flow == Flow::Continue {
            base(context, skipped)?;
        }
        self.run_flat(HookKind::After, &self.afters, context, skipped)?;
        Ok(())
    }

    /// Calls hooks one after the other until one answers or fails the run.
    #[inline]
    fn run_flat(
        &self,
        kind: HookKind,
        steps: &[Arc<dyn ChainStep<F>>],
        context: &mut F::Context<'_>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<Flow, RunFailure<F::Error>> {
        if steps.is_empty() {
            return Ok(Flow::Continue);
        }
        let mut cause = None;
        match call(steps, context, &mut cause) {
            (End::Continue, _) => Ok(Flow::Continue),
            (End::Answer, _) => Ok(Flow::Answer),
            ended => self.go_on(kind, steps, ended, cause, context, skipped),
        }
    }

    /// As [`Chain::run_flat`] from the first hook on that failed or has a circuit.
    #[cold]
    fn go_on(
        &self,
        kind: HookKind,
        steps: &[Arc<dyn ChainStep<F>>],
        (mut end, mut at): (End, usize),
        mut cause: Option<Cause<F::Error>>,
        context: &mut F::Context<'_>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<Flow, RunFailure<F::Error>> {
        loop {
            if end == End::Guarded {
                end = self.call_guarded(kind, at, &*steps[at], context, &mut cause);
            }
            if end == End::Answer {
                return Ok(Flow::Answer);
            }
            if let Some(cause) = cause.take() {
                let error = self.error(kind, at, cause);
                if end == End::Failed {
                    return Err(RunFailure::Hook(error));
                }
                skipped.push(error);
            }
            let (next, further) = call(&steps[at + 1..], context, &mut cause);
            if next == End::Continue {
                return Ok(Flow::Continue);
            }
            (end, at) = (next, at + 1 + further);
        }
    }

    /// Calls one hook if its circuit lets it.
    fn call_guarded(
        &self,
        kind: HookKind,
        index: usize,
        step: &dyn ChainStep<F>,
        context: &mut F::Context<'_>,
        cause: &mut Option<Cause<F::Error>>,
    ) -> End {
        let circuit = self.listing.circuit(kind, index);
        let admitted = match self.listing.admit(kind, index, circuit) {
            Ok(admitted) => admitted,
            Err(open) => {
                *cause = Some(open);
                let skipped = is_skipped(self.listing.on_error(kind, index));
                return if skipped { End::Skipped } else { End::Failed };
            }
        };
        let end = catch_unwind(AssertUnwindSafe(|| step.call_admitted(context, cause)));
        let end = end.unwrap_or_else(|payload| panicked(&*payload, cause));
        admitted.ended::<F>(cause.as_ref());
        end
    }
}

/// Calls hooks up to the first that does not simply go on, and tells how many did. One guard does for all of
/// them.
///
/// Not inlined: every run would then save and restore what only a failure needs, and that took 3 ns.
#[inline(never)]
fn call<F: ContextFamily>(
    steps: &[Arc<dyn ChainStep<F>>],
    context: &mut F::Context<'_>,
    cause: &mut Option<Cause<F::Error>>,
) -> (End, usize) {
    let mut at = 0;
    let end = catch_unwind(AssertUnwindSafe(|| {
        for step in steps {
            match step.call(context, cause) {
                End::Continue => at += 1,
                end => return end,
            }
        }
        End::Continue
    }));
    (end.unwrap_or_else(|payload| panicked(&*payload, cause)), at)
}

/// A panic is a failure.
#[cold]
fn panicked<E>(payload: &(dyn Any + Send), cause: &mut Option<Cause<E>>) -> End {
    *cause = Some(Cause::Panicked(panic_message(payload)));
    End::Failed
}
