//! Failures.
//!
//! A hook fails by returning an error of its family or by panicking; either is caught and has a name. A
//! [`HookError`](crate::hook::HookError) says which plugin, which point, which kind, which of its hooks, and
//! the [`Cause`](crate::hook::Cause). What the base operation does is no plugin's fault: its error is
//! [`RunFailure::Core`](crate::hook::RunFailure::Core), and its panic is the caller's.
//!
//! By default a failure ends the run. A hook with [`OnError::Skip`](crate::hook::OnError::Skip) is left out
//! instead: the context is put back to what it was before the hook, the run goes on, and the failure is added
//! to `skipped`.
//!
//! ```
//! use pipeline_core::hook::{Attachment, Cause, Chain, ContextFamily, RunFailure, Flow, Hook, OnError};
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
//! assert!(matches!(core, Err(RunFailure::Core("no paper"))));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! A hook around others sees their failure in [`Next::failure`](crate::hook::Next::failure), and decides: `?`
//! hands it on under the name of the hook that failed, anything else deals with it. When a hook that is
//! skipped has called `next`, what `next` gave stands: nothing runs twice.
//!
//! # Circuits
//!
//! A hook with a [`Circuit`](crate::hook::Circuit) is not called for a while when it has failed too often.
//! The run goes on as after a failure of the hook, with
//! [`Cause::CircuitOpen`](crate::hook::Cause::CircuitOpen) for a reason. The circuit does not count that, nor
//! what the family [calls a refusal](crate::hook::ContextFamily::is_refusal), nor a failure behind a `next`.
//!
//! ```
//! use pipeline_core::breaker::{Settings, BreakerState};
//! use pipeline_core::hook::{Attachment, Cause, Chain, ContextFamily, Flow, Hook, OnError};
//!
//! # struct Texts;
//! # impl ContextFamily for Texts {
//! #     type Context<'a> = String;
//! #     type Error = &'static str;
//! # }
//! // Open after 3 failures in 10 s; after 5 s the next run calls the hook, and closes it if that passes.
//! let second = 1_000_000_000;
//! let settings = Settings::new(3, 10 * second, 5 * second, 1)?;
//! let remote = Hook::<Texts>::before(|_: &mut String| -> Result<Flow, _> { Err("no answer") })
//!     .on_error(OnError::Skip)
//!     .circuit(settings);
//! let chain = Chain::new("publish", vec![Attachment::new("spelling", 1, remote)], |_| &[])?
//!     .on_circuit_change(|change| println!("{} on {}: {:?}", change.plugin, change.point, change.to));
//!
//! let mut skipped = Vec::new();
//! for _ in 0..4 {
//!     chain.run(&mut "hello".to_owned(), |_| Ok(()), &mut skipped)?;
//! }
//! assert_eq!(skipped[3].cause, Cause::CircuitOpen);
//! let (_, plugin, circuit) = chain.circuits().next().unwrap();
//! assert_eq!((circuit.state(), circuit.counts().refused), (BreakerState::Open, 1));
//! assert_eq!(chain.reset_circuits(plugin), 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Host`](crate::host::Host) tells changes on its bus and closes circuits by
//! [`Host::reset_circuits`](crate::host::Host::reset_circuits). A circuit lives as long as its hook is
//! attached, whatever else comes to the point.
//!
//! # On the bus
//!
//! A [`Host`](crate::host::Host) tells of every failure on its [bus](crate::guide::events), also of those
//! that a run skips, so that a log does not depend on every caller.
//!
//! # Failures of plugins
//!
//! A plugin that fails to build or start is not loaded; [`HostError`](crate::host::HostError) names it and
//! the [`Stage`](crate::host::Stage). One that panics when it is stopped is unloaded nevertheless. Every
//! error of this crate is an enum to match on, and its sentence says what to do next.
