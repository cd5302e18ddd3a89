use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::failure::panic_message;
use super::policy::RescueRef;
use super::{After, Before, Cause, ContextFamily, Flow};

/// A before or after hook as a run calls it.
///
/// How the call ended fits a register, whatever the errors of the family are like: the cause goes to a place
/// beside, which only failures touch.
pub(super) trait ChainStep<F: ContextFamily>: Send + Sync {
    /// Sets `cause` when it ends in [`End::Failed`] or [`End::Skipped`].
    fn call(&self, context: &mut F::Context<'_>, cause: &mut Option<Cause<F::Error>>) -> End;

    /// The same, of one that ended in [`End::Guarded`], once its circuit has let it through.
    fn call_admitted(
        &self,
        context: &mut F::Context<'_>,
        cause: &mut Option<Cause<F::Error>>,
    ) -> End {
        self.call(context, cause)
    }
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The next hook is to run.
    Continue,
    /// The context is the result.
    Answer,
    /// The hook failed, and with it the run.
    Failed,
    /// The hook failed, and the run goes on as if it were not there.
    Skipped,
    /// The hook was not called: its circuit is to be asked first.
    Guarded,
}

/// A [`Before`] hook that is a step, too. A chain holds it as the one, an async chain as the other.
pub(super) trait BeforeStep<F: ContextFamily>: Before<F> + ChainStep<F> {}

/// An [`After`] hook that is a step, too.
pub(super) trait AfterStep<F: ContextFamily>: After<F> + ChainStep<F> {}

/// A [`Before`] hook, on another cache line than the counts of its `Arc`: every chain that is built or
/// dropped writes to those while others run.
pub(super) struct PaddedBefore<H>(pub(super) CachePadded<H>);

/// As [`PaddedBefore`], for an [`After`] hook.
pub(super) struct PaddedAfter<H>(pub(super) CachePadded<H>);

impl<F: ContextFamily, H: Before<F>> Before<F> for PaddedBefore<H> {
    fn before(&self, context: &mut F::Context<'_>) -> Result<Flow, F::Error> {
        self.0.before(context)
    }
}

impl<F: ContextFamily, H: Before<F>> ChainStep<F> for PaddedBefore<H> {
    fn call(&self, context: &mut F::Context<'_>, cause: &mut Option<Cause<F::Error>>) -> End {
        match self.0.before(context) {
            Ok(Flow::Continue) => End::Continue,
            Ok(Flow::Answer) => End::Answer,
            Err(error) => failed(error, cause),
        }
    }
}

impl<F: ContextFamily, H: Before<F>> BeforeStep<F> for PaddedBefore<H> {}

impl<F: ContextFamily, H: After<F>> After<F> for PaddedAfter<H> {
    fn after(&self, result: &mut F::Context<'_>) -> Result<(), F::Error> {
        self.0.after(result)
    }
}

impl<F: ContextFamily, H: After<F>> ChainStep<F> for PaddedAfter<H> {
    fn call(&self, result: &mut F::Context<'_>, cause: &mut Option<Cause<F::Error>>) -> End {
        match self.0.after(result) {
            Ok(()) => End::Continue,
            Err(error) => failed(error, cause),
        }
    }
}

impl<F: ContextFamily, H: After<F>> AfterStep<F> for PaddedAfter<H> {}

fn failed<E>(error: E, cause: &mut Option<Cause<E>>) -> End {
    *cause = Some(Cause::Failed(error));
    End::Failed
}

/// A step whose failure is undone.
struct Rescued<F: ContextFamily> {
    step: Arc<dyn ChainStep<F>>,
    rescue: RescueRef<F>,
}

/// The step, its failures undone where there is a way to.
pub(super) fn rescued<F: ContextFamily>(
    step: Arc<dyn ChainStep<F>>,
    rescue: Option<RescueRef<F>>,
) -> Arc<dyn ChainStep<F>> {
    match rescue {
        Some(rescue) => Arc::new(Rescued { step, rescue }),
        None => step,
    }
}

impl<F: ContextFamily> ChainStep<F> for Rescued<F> {
    fn call(&self, context: &mut F::Context<'_>, cause: &mut Option<Cause<F::Error>>) -> End {
        let saved = self.rescue.copy(context);
        match catch_unwind(AssertUnwindSafe(|| self.step.call(context, cause))) {
            Ok(End::Failed) => {}
            Ok(end) => return end,
            Err(payload) => *cause = Some(Cause::Panicked(panic_message(&*payload))),
        }
        *context = saved;
        End::Skipped
    }
}

/// A step with a circuit, which the chain asks: it knows the owner, and the observer of changes.
struct Guarded<F: ContextFamily>(Arc<dyn ChainStep<F>>);

/// The step, to be called once its circuit has let it through.
pub(super) fn guarded<F: ContextFamily>(step: Arc<dyn ChainStep<F>>) -> Arc<dyn ChainStep<F>> {
    Arc::new(Guarded(step))
}

impl<F: ContextFamily> ChainStep<F> for Guarded<F> {
    fn call(&self, _: &mut F::Context<'_>, _: &mut Option<Cause<F::Error>>) -> End {
        End::Guarded
    }

    fn call_admitted(
        &self,
        context: &mut F::Context<'_>,
        cause: &mut Option<Cause<F::Error>>,
    ) -> End {
        self.0.call(context, cause)
    }
}
