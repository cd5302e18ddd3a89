//! Events.
//!
//! An [`EventBus`](crate::events::EventBus) carries events to whoever has subscribed. To emit never waits:
//! each subscriber has a bounded queue, and a full one loses the event, counted, for that subscriber alone.
//!
//! # What a host tells
//!
//! [`Host::events`](crate::host::Host::events) is a bus of [`HostEvent`](crate::host::HostEvent)s: plugins
//! loaded, unloaded and failed, hooks failed in runs, circuits of hooks opened and closed.
//!
//! ```
//! use std::num::NonZeroU16;
//!
//! use pipeline_core::hook::{ContextFamily, Flow, Hook, OnError, Point};
//! use pipeline_core::host::{Host, HostEvent, Plugin, PluginError, Registrar};
//! use pipeline_core::plugin::Manifest;
//! use pipeline_core::semver::Version;
//!
//! # struct Texts;
//! # impl ContextFamily for Texts {
//! #     type Context<'a> = String;
//! #     type Error = &'static str;
//! # }
//! const PUBLISH: Point<Texts> = Point::new("publish");
//!
//! struct Flaky;
//! impl Plugin<Texts> for Flaky {
//!     fn manifest(&self) -> Manifest {
//!         Manifest::new("flaky", Version::new(1, 0, 0))
//!     }
//!
//!     fn build(&self, registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
//!         let fails = Hook::before(|_: &mut String| -> Result<Flow, _> { Err("not today") });
//!         registrar.attach(PUBLISH, fails.on_error(OnError::Skip));
//!         Ok(())
//!     }
//! }
//!
//! let host = Host::new();
//! let events = host.events().subscribe("*", NonZeroU16::new(64).unwrap());
//! host.load(Flaky)?;
//! host.run(PUBLISH, &mut "hello".to_owned(), |_| Ok(()), &mut Vec::new())?;
//!
//! assert!(matches!(&*events.try_recv().unwrap(), HostEvent::PluginLoaded { id, .. } if *id == "flaky".into()));
//! assert!(matches!(&*events.try_recv().unwrap(), HostEvent::HookFailed { skipped: true, .. }));
//! assert!(events.try_recv().is_none());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Between plugins
//!
//! A bus of one's own carries a type of one's own, which is an [`Event`](crate::events::Event), or
//! [`Named`](crate::events::Named) events of any name. Subscribers name what they want by a pattern:
//! `order_*`. A bus is cheap to clone, so that each plugin is given one when it is made.
