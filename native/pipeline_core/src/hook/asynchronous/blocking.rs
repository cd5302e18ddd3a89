use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::call_error::CallError;
use super::callback::{CallFlat, FlatResult};
use super::{AsyncFamily, BoxFuture, Owned, token};
use crate::hook::{After, Before, Cause, Flow, HookError};

/// A sync hook that is called on a thread for what takes long.
pub(super) struct Blocking<H: ?Sized>(pub(super) Arc<H>);

impl<F: AsyncFamily> CallFlat<F> for Blocking<dyn Before<F>>
where
    Owned<F>: Default,
{
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        _: &'h mut Vec<HookError<F::Error>>,
    ) -> BoxFuture<'h, FlatResult<F>> {
        let hook = self.0.clone();
        Box::pin(elsewhere::<F>(context, move |context| hook.before(context)))
    }
}

impl<F: AsyncFamily> CallFlat<F> for Blocking<dyn After<F>>
where
    Owned<F>: Default,
{
    fn call<'h>(
        &'h self,
        context: &'h mut Owned<F>,
        _: &'h mut Vec<HookError<F::Error>>,
    ) -> BoxFuture<'h, FlatResult<F>> {
        let hook = self.0.clone();
        Box::pin(elsewhere::<F>(context, move |context| {
            hook.after(context).map(|()| Flow::Continue)
        }))
    }
}

/// The context moves to the thread and back, also when the hook panics there.
async fn elsewhere<F: AsyncFamily>(
    context: &mut Owned<F>,
    call: impl FnOnce(&mut Owned<F>) -> Result<Flow, F::Error> + Send + 'static,
) -> FlatResult<F>
where
    Owned<F>: Default,
{
    let mut moved = std::mem::take(context);
    let token = token::cancellation();
    let joined = spawn_blocking(move || {
        let result = token::scoped(token, || {
            catch_unwind(AssertUnwindSafe(|| call(&mut moved)))
        });
        (moved, result)
    })
    .await;
    match joined {
        Ok((moved, result)) => {
            *context = moved;
            match result {
                Ok(result) => result.map_err(CallError::own),
                Err(payload) => Err(CallError::panicked(&*payload)),
            }
        }
        // Only a runtime that shuts down does not run what it was given.
        Err(_) => Err(CallError::Own(Cause::Aborted)),
    }
}
