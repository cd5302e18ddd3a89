use tokio::time::timeout;

use super::call_error::CallError;
use super::callback::{CallFlat, FlatResult};
use super::chain::AsyncStep;
use super::guard::guarded;
use super::next::Inside;
use super::run_error::RunPosition;
use super::{AsyncFamily, Owned};
use crate::hook::policy::Policy;
use crate::hook::verdict::is_skipped;
use crate::hook::{Flow, HookError, HookKind, RunFailure};

impl<F: AsyncFamily> Inside<'_, F> {
    /// The part inside the arounds: before hooks, the replace hooks with the base operation, after hooks.
    pub(super) async fn run_flat(
        &mut self,
        context: &mut Owned<F>,
    ) -> Result<(), RunFailure<F::Error>> {
        let chain = self.chain;
        let flow = self
            .run_each(HookKind::Before, &chain.befores, context)
            .await?;
        if flow == Flow::Continue {
            self.reborrow().run_replaces(0, context).await?;
        }
        self.run_each(HookKind::After, &chain.afters, context)
            .await?;
        Ok(())
    }

    /// Calls hooks one after the other until one answers.
    async fn run_each(
        &mut self,
        kind: HookKind,
        steps: &[AsyncStep<F, dyn CallFlat<F>>],
        context: &mut Owned<F>,
    ) -> Result<Flow, RunFailure<F::Error>> {
        let chain = self.chain;
        for (index, step) in steps.iter().enumerate() {
            *self.position = RunPosition::Hook(kind, index);
            let Policy { rescue, circuit } = &step.policy;
            let mut saved = None;
            let result = match chain.listing.admit(kind, index, circuit.as_ref()) {
                Err(open) => Err(CallError::Own(open)),
                Ok(admitted) => {
                    saved = rescue.map(|rescue| rescue.copy(context));
                    let result = call(step, context, self.skipped).await;
                    admitted.ended::<F>(result.as_ref().err().map(CallError::cause));
                    result
                }
            };
            let error = match result {
                Ok(Flow::Continue) => continue,
                Ok(Flow::Answer) => return Ok(Flow::Answer),
                Err(error) => error,
            };
            let error = match error {
                CallError::Own(cause) => self.chain.error(kind, index, cause),
                CallError::Inner(error) => error,
            };
            if !is_skipped(step.policy.on_error()) {
                return Err(RunFailure::Hook(error));
            }
            if let Some(saved) = saved {
                *context = saved;
            }
            self.skipped.push(error);
        }
        Ok(Flow::Continue)
    }
}

/// Calls a hook, for as long as it may take.
async fn call<F: AsyncFamily>(
    step: &AsyncStep<F, dyn CallFlat<F>>,
    context: &mut Owned<F>,
    skipped: &mut Vec<HookError<F::Error>>,
) -> FlatResult<F> {
    let call = guarded(step.hook.call(context, skipped));
    let result = match step.timeout {
        None => call.await,
        Some(limit) => match timeout(limit, call).await {
            Ok(result) => result,
            Err(_) => return Err(CallError::timed_out(limit)),
        },
    };
    result.unwrap_or_else(|payload| Err(CallError::panicked(&*payload)))
}
