//! Order.
//!
//! Within a kind, the hooks of a point stand in this order:
//!
//! 1. higher priority first (default 50);
//! 2. among equal priorities, plugins after the plugins that they depend on;
//! 3. then in the order in which they were attached.
//!
//! On top of that, a hook can ask to stand just before or just after the hooks of a plugin. That wins over
//! priority, and applies while the named plugin has hooks there, also when it arrives later. The hook that
//! asks is the one that moves.
//!
//! ```
//! use pipeline_core::hook::{Attachment, Chain, ContextFamily, Flow, Hook};
//!
//! struct Texts;
//! impl ContextFamily for Texts {
//!     type Context<'a> = String;
//!     type Error = &'static str;
//! }
//!
//! let pass = || Hook::<Texts>::before(|_: &mut String| Ok(Flow::Continue));
//! let hooks = vec![
//!     Attachment::new("audit", 1, pass()),
//!     Attachment::new("redact", 2, pass()).priority(90),
//!     Attachment::new("log", 3, pass()).before("redact"),
//! ];
//! let chain = Chain::new("publish", hooks, |_| &[])?;
//! let order: Vec<String> = chain.hooks().map(|(_, plugin)| plugin.to_string()).collect();
//! assert_eq!(order, ["log", "redact", "audit"]);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! In a plugin, the same is said of what [`Registrar::attach`](crate::host::Registrar::attach) returns:
//!
//! ```
//! # use pipeline_core::hook::{ContextFamily, Hook, Point};
//! # use pipeline_core::host::{PluginError, Registrar};
//! # struct Texts;
//! # impl ContextFamily for Texts {
//! #     type Context<'a> = String;
//! #     type Error = &'static str;
//! # }
//! # const PUBLISH: Point<Texts> = Point::new("publish");
//! # fn mark(_: &mut String) -> Result<(), &'static str> { Ok(()) }
//! fn build(registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
//!     let attached = registrar.attach(PUBLISH, Hook::after(mark));
//!     attached.priority = 10;
//!     attached.after.push("redact".into());
//!     Ok(())
//! }
//! ```
//!
//! # Contradictions
//!
//! Constraints that cannot all hold are refused when the chain is made, so that a load fails and a run never
//! does. The sentence spells the cycle out:
//!
//! ```
//! # use pipeline_core::hook::{Attachment, Chain, ContextFamily, Flow, Hook};
//! # struct Texts;
//! # impl ContextFamily for Texts {
//! #     type Context<'a> = String;
//! #     type Error = &'static str;
//! # }
//! # let pass = || Hook::<Texts>::before(|_: &mut String| Ok(Flow::Continue));
//! use pipeline_core::hook::ChainError;
//!
//! let hooks = vec![
//!     Attachment::new("a", 1, pass()).before("b"),
//!     Attachment::new("b", 2, pass()).before("a"),
//! ];
//! let refused = Chain::new("publish", hooks, |_| &[]).unwrap_err();
//! assert!(matches!(refused, ChainError::Contradiction { .. }));
//! assert!(refused.to_string().starts_with("on publish, "));
//! ```
//!
//! [`hook::order`](crate::hook::order) is the order alone, for whoever calls hooks in another way.
