use tokio::time::timeout;

use super::chain::Step;
use super::fault::Fault;
use super::guard::guarded;
use super::next::Inside;
use super::run_error::Place;
use super::{AsyncFamily, Owned, callback};
use crate::hook::{Failure, Flow, Kind};

impl<F: AsyncFamily> Inside<'_, F> {
    /// The part inside the arounds: before hooks, the replace hooks with the base operation, after hooks.
    pub(super) async fn run_flat(
        &mut self,
        context: &mut Owned<F>,
    ) -> Result<(), Failure<F::Error>> {
        let chain = self.chain;
        let flow = self.run_each(Kind::Before, &chain.befores, context).await?;
        if flow == Flow::Continue {
            self.reborrow().run_replaces(0, context).await?;
        }
        self.run_each(Kind::After, &chain.afters, context).await?;
        Ok(())
    }

    /// Calls hooks one after the other until one answers.
    async fn run_each(
        &mut self,
        kind: Kind,
        steps: &[Step<F, dyn callback::CallFlat<F>>],
        context: &mut Owned<F>,
    ) -> Result<Flow, Failure<F::Error>> {
        for (index, step) in steps.iter().enumerate() {
            *self.place = Place::Hook(kind, index);
            let saved = step.rescue.map(|rescue| rescue.copy(context));
            let call = guarded(step.hook.call(context, self.skipped));
            let result = match step.timeout {
                None => call.await,
                Some(limit) => match timeout(limit, call).await {
                    Ok(result) => result,
                    Err(_) => Ok(Err(Fault::timed_out(limit))),
                },
            };
            let fault = match result {
                Ok(Ok(Flow::Continue)) => continue,
                Ok(Ok(Flow::Answer)) => return Ok(Flow::Answer),
                Ok(Err(fault)) => fault,
                Err(payload) => Fault::panicked(&*payload),
            };
            let error = match fault {
                Fault::Own(cause) => self.chain.error(kind, index, cause),
                Fault::Inner(error) => error,
            };
            let Some(saved) = saved else {
                return Err(Failure::Hook(error));
            };
            *context = saved;
            self.skipped.push(error);
        }
        Ok(Flow::Continue)
    }
}
