//! Hooks that wait (feature `async`).
//!
//! Async hooks come in the same kinds, form chains with the same rules and stand on points of their own: a
//! point of one name has a sync chain for [`Host::run`](crate::host::Host::run) and an async one for
//! [`Host::run_async`](crate::host::Host::run_async). A sync hook can stand in an async chain, in place or on
//! a blocking thread; see [`AsyncHook`](crate::hook::asynchronous::AsyncHook).
//!
//! ```
//! use std::time::Duration;
//!
//! use pipeline_core::hook::asynchronous::{AsyncChain, AsyncHook, AsyncNext, RunLimits};
//! use pipeline_core::hook::{Attachment, ContextFamily, Flow, OnError, WrapError};
//!
//! struct Texts;
//! impl ContextFamily for Texts {
//!     type Context<'a> = String;
//!     type Error = &'static str;
//! }
//!
//! /// Never comes back.
//! async fn stuck(_: &mut String) -> Result<Flow, &'static str> {
//!     std::future::pending().await
//! }
//!
//! async fn quote(text: &mut String, next: &mut AsyncNext<'_, Texts>) -> Result<(), WrapError<&'static str>> {
//!     next.call(text).await?;
//!     *text = format!("“{text}”");
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let skipped_soon = AsyncHook::before(stuck).timeout(Duration::from_millis(5)).on_error(OnError::Skip);
//! let hooks = vec![
//!     Attachment::new("stuck", 1, skipped_soon),
//!     Attachment::new("quote", 2, AsyncHook::<Texts>::around(quote)),
//! ];
//! let chain = AsyncChain::new("ask", hooks, |_| &[])?;
//!
//! let limits = RunLimits::new().timeout(Duration::from_millis(100));
//! let (mut text, mut skipped) = ("hello".to_owned(), Vec::new());
//! let core = async |_: &mut String| Ok(());
//! chain.run_within(&limits, &mut text, core, &mut skipped).await?;
//! assert_eq!(text, "“hello”");
//! assert_eq!(skipped[0].to_string(), "the before hook of stuck on ask was not done within 5ms");
//! # Ok(())
//! # }
//! ```
//!
//! # Time
//!
//! A hook's `timeout` is its own: a clock that stands still while the hook is in `next`. [`RunLimits`] are
//! the run's: a timeout, a deadline, a token to cancel it by. A run that is ended says what it had come to
//! ([`RunError`](crate::hook::asynchronous::RunError)). Ending is dropping, which reaches all that waits;
//! threads and spawned tasks look at [`cancellation`](crate::hook::asynchronous::cancellation).
//!
//! # Contexts
//!
//! A run may move between threads, so its context owns what it holds and is `Send`. Any family whose context
//! is so will do; see [`hook::asynchronous`](crate::hook::asynchronous).
//!
//! # Listeners
//!
//! [`AsyncListeners`](crate::hook::asynchronous::AsyncListeners) run beside each other, as many at a time as
//! they are told.
//!
//! # tower
//!
//! With the feature `tower`, `service::HookLayer` makes a chain, or a point of a host, a layer around any
//! service.
//!
//! [`RunLimits`]: crate::hook::asynchronous::RunLimits
