//! Failures.
//!
//! A hook fails by returning an error of its family or by panicking; either is caught and has a name. A
//! [`HookError`](crate::hook::HookError) says which plugin, which point, which kind, which of its hooks, and the
//! [`Cause`](crate::hook::Cause). What the base operation does is no plugin's fault: its error is
//! [`Failure::Core`](crate::hook::Failure::Core), and its panic is the caller's.
//!
//! By default a failure ends the run. A hook with [`OnError::Skip`](crate::hook::OnError::Skip) is left out instead: the
//! context is put back to what it was before the hook, the run goes on, and the failure is added to `skipped`.
//!
//! ```
//! use pipeline_core::hook::{Attachment, Cause, Chain, ContextFamily, Failure, Flow, Hook, OnError};
//!
//! struct Texts;
//! impl ContextFamily for Texts {
//!     type Context<'a> = String;
//!     type Error = &'static str;
//! }
//!
//! fn spoils(text: &mut String) -> Result<Flow, &'static str> {
//!     text.clear();
//!     Err("out of ink")
//! }
//!
//! let chain = |hook: Hook<Texts>| Chain::new("publish", vec![Attachment::new("print", 1, hook)], |_| &[]);
//! let mut skipped = Vec::new();
//!
//! let strict = chain(Hook::before(spoils))?;
//! let failed = strict.run(&mut "hello".to_owned(), |_| Ok(()), &mut skipped).unwrap_err();
//! assert_eq!(failed.to_string(), "the before hook of print on publish failed: out of ink");
//!
//! let lenient = chain(Hook::before(spoils).on_error(OnError::Skip))?;
//! let mut text = "hello".to_owned();
//! lenient.run(&mut text, |_| Ok(()), &mut skipped)?;
//! assert_eq!(text, "hello");
//! assert_eq!(skipped[0].cause, Cause::Failed("out of ink"));
//!
//! let core = lenient.run(&mut text, |_| Err("no paper"), &mut skipped);
//! assert!(matches!(core, Err(Failure::Core("no paper"))));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! A hook around others sees their failure in [`Next::failure`](crate::hook::Next::failure), and decides: `?` hands it on
//! under the name of the hook that failed, anything else deals with it. When a hook that is skipped has called `next`,
//! what `next` gave stands: nothing runs twice.
//!
//! A [`Host`](crate::host::Host) tells of every failure on its [bus](crate::guide::events), also of those that a run
//! skips, so that a log does not depend on every caller.
//!
//! # Failures of plugins
//!
//! A plugin that fails to build or start is not loaded; [`HostError`](crate::host::HostError) names it and the
//! [`Stage`](crate::host::Stage). One that panics when it is stopped is unloaded nevertheless. Every error of this crate
//! is an enum to match on, and its sentence says what to do next.
