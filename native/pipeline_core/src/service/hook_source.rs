use std::sync::Arc;

use crate::hook::asynchronous::{AsyncChain, AsyncCore, AsyncFamily, Owned, RunError, RunLimits};
use crate::hook::{ContextFamily, HookError};
use crate::host::Host;
use crate::plugin::Name;

/// Where the hooks come from.
pub(super) enum HookSource<F: ContextFamily> {
    Chain(Arc<AsyncChain<F>>),
    Point(Arc<Host<F>>, Name),
}

impl<F: AsyncFamily> HookSource<F> {
    pub(super) async fn run(
        &self,
        limits: &RunLimits,
        context: &mut Owned<F>,
        core: impl AsyncCore<F>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), RunError<F::Error>> {
        match self {
            Self::Chain(chain) => chain.run_within(limits, context, core, skipped).await,
            Self::Point(host, point) => {
                host.run_async(point.as_str(), limits, context, core, skipped)
                    .await
            }
        }
    }
}

impl<F: ContextFamily> Clone for HookSource<F> {
    fn clone(&self) -> Self {
        match self {
            Self::Chain(chain) => Self::Chain(chain.clone()),
            Self::Point(host, point) => Self::Point(host.clone(), point.clone()),
        }
    }
}
