use std::future::poll_fn;
use std::marker::PhantomData;

use tower_service::Service;

use super::ServiceContext;
use crate::hook::asynchronous::{AsyncCore, AsyncFamily, BoxFuture, Owned};

/// The wrapped service as the base operation of a run.
pub(super) struct InnerService<S, Request> {
    /// The one that was found ready. It serves the first call.
    ready: Option<S>,
    /// Serves further calls, in a copy that is waited for.
    spare: S,
    takes: PhantomData<fn(Request)>,
}

impl<S, Request> InnerService<S, Request> {
    pub(super) fn new(ready: S, spare: S) -> Self {
        Self {
            ready: Some(ready),
            spare,
            takes: PhantomData,
        }
    }
}

impl<F, S, Request> AsyncCore<F> for InnerService<S, Request>
where
    F: AsyncFamily,
    F::Owned: ServiceContext<Request, F::Error, Response = S::Response>,
    S: Service<Request, Error: Into<F::Error>, Future: Send> + Clone + Send,
    S::Response: Send,
    Request: Send,
{
    fn call<'h>(&'h mut self, context: &'h mut Owned<F>) -> BoxFuture<'h, Result<(), F::Error>> {
        Box::pin(async move {
            let ready = self.ready.take();
            let mut service = ready.unwrap_or_else(|| self.spare.clone());
            let request = context.request()?;
            poll_fn(|cx| service.poll_ready(cx))
                .await
                .map_err(Into::into)?;
            let response = service.call(request).await.map_err(Into::into)?;
            context.respond(response);
            Ok(())
        })
    }
}
