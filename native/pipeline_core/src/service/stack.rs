use std::fmt;
use std::task::{Context, Poll};

use tower_service::Service;

use super::ServiceContext;
use super::hook_source::HookSource;
use super::inner_service::InnerService;
use super::layer::SkippedListener;
use crate::hook::ContextFamily;
use crate::hook::asynchronous::{AsyncFamily, BoxFuture, RunError, RunLimits};

/// A service inside the hooks of an async chain. A [`HookLayer`](super::HookLayer) makes it.
///
/// It is ready when the service is. A call that hooks answer lets that go; each further call of a hook that
/// retries waits until a clone of the service is ready.
pub struct HookService<S, F: ContextFamily> {
    pub(super) inner: S,
    pub(super) source: HookSource<F>,
    pub(super) limits: RunLimits,
    pub(super) on_skipped: Option<SkippedListener<F::Error>>,
}

impl<S, F, Request> Service<Request> for HookService<S, F>
where
    F: AsyncFamily,
    F::Owned: ServiceContext<Request, F::Error, Response = S::Response>,
    S: Service<Request, Error: Into<F::Error>, Future: Send> + Clone + Send + 'static,
    S::Response: Send,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = RunError<F::Error>;
    type Future = BoxFuture<'static, Result<S::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = self.inner.poll_ready(cx);
        ready.map_err(|error| RunError::Core(error.into()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let spare = self.inner.clone();
        // The one that said it is ready, and not a clone, which may not be.
        let ready = std::mem::replace(&mut self.inner, spare.clone());
        let (source, limits) = (self.source.clone(), self.limits.clone());
        let on_skipped = self.on_skipped.clone();
        Box::pin(async move {
            let mut context = F::Owned::of(request);
            let mut skipped = Vec::new();
            let core = InnerService::new(ready, spare);
            let result = source.run(&limits, &mut context, core, &mut skipped).await;
            if let Some(on_skipped) = on_skipped {
                for error in &skipped {
                    on_skipped(error);
                }
            }
            result?;
            context.into_response().map_err(RunError::Core)
        })
    }
}

impl<S: Clone, F: ContextFamily> Clone for HookService<S, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            source: self.source.clone(),
            limits: self.limits.clone(),
            on_skipped: self.on_skipped.clone(),
        }
    }
}

impl<S: fmt::Debug, F: ContextFamily> fmt::Debug for HookService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookService")
            .field("inner", &self.inner)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
