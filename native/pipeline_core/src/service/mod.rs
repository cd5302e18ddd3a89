//! Chains as tower layers (feature `tower`).
//!
//! A [`HookLayer`] wraps a service in the hooks of an async chain, or of an async point of a host: before
//! hooks see the request, after hooks the response, around hooks may retry, and a hook that answers early
//! spares the service the call. Request and response live in the context, by [`ServiceContext`]; an
//! [`Exchange`] is one that holds just these.
//!
//! ```
//! use std::sync::Arc;
//!
//! use pipeline_core::hook::asynchronous::{AsyncChain, AsyncHook};
//! use pipeline_core::hook::{Attachment, ContextFamily, Flow};
//! use pipeline_core::service::{Exchange, HookLayer};
//! use tower::{BoxError, ServiceBuilder, ServiceExt};
//!
//! struct Calls;
//! impl ContextFamily for Calls {
//!     type Context<'a> = Exchange<String, usize>;
//!     type Error = BoxError;
//! }
//!
//! async fn trim(call: &mut Exchange<String, usize>) -> Result<Flow, BoxError> {
//!     if let Some(request) = &mut call.request {
//!         *request = request.trim().to_owned();
//!     }
//!     Ok(Flow::Continue)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let hooks = vec![Attachment::new("trim", 1, AsyncHook::<Calls>::before(trim))];
//! let chain = AsyncChain::new("call", hooks, |_| &[])?;
//! let service = ServiceBuilder::new()
//!     .concurrency_limit(8)
//!     .layer(HookLayer::of_chain(Arc::new(chain)))
//!     .service_fn(async |text: String| Ok::<_, BoxError>(text.len()));
//! assert_eq!(service.oneshot("  hello ".to_owned()).await?, 5);
//! # Ok(())
//! # }
//! ```

mod context;
mod hook_source;
mod inner_service;
mod layer;
mod stack;

pub use context::{Exchange, ExchangeError, ServiceContext};
pub use layer::HookLayer;
pub use stack::HookService;
