use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::HookService;
use super::hook_source::HookSource;
use crate::hook::asynchronous::{AsyncChain, RunLimits};
use crate::hook::{ContextFamily, HookError, PointName};
use crate::host::Host;

/// Called with each failure that a run skipped.
pub(super) type SkippedListener<E> = Arc<dyn Fn(&HookError<E>) + Send + Sync>;

/// Wraps services in the hooks of an async chain.
pub struct HookLayer<F: ContextFamily> {
    source: HookSource<F>,
    limits: RunLimits,
    on_skipped: Option<SkippedListener<F::Error>>,
}

impl<F: ContextFamily> HookLayer<F> {
    /// The hooks of a chain.
    pub fn of_chain(chain: Arc<AsyncChain<F>>) -> Self {
        Self::new(HookSource::Chain(chain))
    }

    /// The hooks that a point of the host has at each call: they come and go with their plugins.
    pub fn of_point(host: Arc<Host<F>>, point: impl PointName<F>) -> Self {
        Self::new(HookSource::Point(host, point.to_name()))
    }

    fn new(source: HookSource<F>) -> Self {
        Self {
            source,
            limits: RunLimits::new(),
            on_skipped: None,
        }
    }

    /// Limits each call, hooks and service together.
    #[must_use]
    pub fn limits(mut self, limits: RunLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Calls `listener` with the failures that a call skipped, once it is over. A host emits them on its bus
    /// in any case.
    #[must_use]
    pub fn on_skipped(
        mut self,
        listener: impl Fn(&HookError<F::Error>) + Send + Sync + 'static,
    ) -> Self {
        self.on_skipped = Some(Arc::new(listener));
        self
    }
}

impl<S, F: ContextFamily> Layer<S> for HookLayer<F> {
    type Service = HookService<S, F>;

    fn layer(&self, inner: S) -> HookService<S, F> {
        HookService {
            inner,
            source: self.source.clone(),
            limits: self.limits.clone(),
            on_skipped: self.on_skipped.clone(),
        }
    }
}

impl<F: ContextFamily> Clone for HookLayer<F> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            limits: self.limits.clone(),
            on_skipped: self.on_skipped.clone(),
        }
    }
}

impl<F: ContextFamily> fmt::Debug for HookLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookLayer")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
