//! Hooks that wait: chains on Tokio (feature `async`).
//!
//! [`AsyncBefore`], [`AsyncAfter`], [`AsyncAround`] and [`AsyncReplace`] hooks form an [`AsyncChain`], with
//! the order, the early answers, the fallbacks and the skipped failures of a [`Chain`](super::Chain).
//! [`AsyncListen`] hooks stand on points of their own, as [`AsyncListeners`], and run beside each other.
//!
//! ```
//! use pipeline_core::hook::asynchronous::{AsyncChain, AsyncHook, AsyncNext};
//! use pipeline_core::hook::{Attachment, ContextFamily, Flow, WrapError};
//!
//! struct Texts;
//! impl ContextFamily for Texts {
//!     type Context<'a> = String;
//!     type Error = &'static str;
//! }
//!
//! async fn trim(text: &mut String) -> Result<Flow, &'static str> {
//!     *text = text.trim().to_owned();
//!     Ok(Flow::Continue)
//! }
//!
//! async fn retry(text: &mut String, next: &mut AsyncNext<'_, Texts>) -> Result<(), WrapError<&'static str>> {
//!     if next.call(text).await.is_err() {
//!         next.call(text).await?;
//!     }
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hooks = vec![
//!     Attachment::new("trim", 1, AsyncHook::<Texts>::before(trim)),
//!     Attachment::new("retry", 2, AsyncHook::around(retry)),
//! ];
//! let chain = AsyncChain::new("execute_node", hooks, |_| &[])?;
//!
//! let mut text = " hello ".to_owned();
//! let core = async |text: &mut String| {
//!     text.push('!');
//!     Ok(())
//! };
//! chain.run(&mut text, core, &mut Vec::new()).await?;
//! assert_eq!(text, "hello!");
//! # Ok(())
//! # }
//! ```
//!
//! # Contexts
//!
//! A future may wait for long, move between threads, and be dropped at any point where it waits. So the
//! contexts of an [`AsyncFamily`] own what they hold and are `Send`: `F::Context<'static>`, which [`Owned`]
//! names. Any family whose context is so is one, nothing has to be implemented. A family whose contexts
//! borrow from their caller, such as the terms of a BEAM process, can have sync chains only. Listeners share
//! the context, which has to be `Sync` for them.
//!
//! # What a hook is written as
//!
//! - A type that implements one of the traits with an `async fn`.
//! - An `async fn`, or an async closure that captures nothing or only references.
//! - A closure that captures more, and returns a boxed future: [`AsyncHook::before_fn`] and its like.
//! - A sync hook: [`AsyncHook::sync`] calls it in place, [`AsyncHook::blocking`] on a thread where it may
//!   take its time, and [`AsyncHook::before_chain`] runs a whole sync chain.
//!
//! # Time
//!
//! [`AsyncHook::timeout`] limits one hook, not counting what it wraps; [`RunLimits`] limit a run and tell by
//! a token that it is over. Both drop what waits. Work that a hook has handed to other threads goes on,
//! unless it looks at the token: [`cancellation`].
//!
//! Dropping the future of a run drops everything inside. The context is left as it stood.

mod blocking;
mod call_error;
mod callback;
mod chain;
mod clock;
mod closure;
mod core;
mod family;
mod flat;
mod guard;
mod hook;
mod inline;
mod kind;
mod limits;
mod listen;
mod listeners;
mod next;
mod run_error;
mod token;
mod wrap;

pub use chain::AsyncChain;
pub use closure::{AsyncCall, AsyncCallMut, AsyncWrap};
pub use core::{AsyncCore, boxed};
pub use family::{AsyncFamily, BoxFuture, Owned, SharedFamily};
pub use hook::AsyncHook;
pub use inline::SyncHookError;
pub use kind::{AsyncAfter, AsyncAround, AsyncBefore, AsyncReplace};
pub use limits::RunLimits;
pub use listen::{AsyncListen, AsyncListener};
pub use listeners::AsyncListeners;
pub use next::AsyncNext;
pub use run_error::{RunError, Running};
pub use token::cancellation;
