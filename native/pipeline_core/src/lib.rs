//! Plugins for a Rust program: loaded, ordered, called and unloaded while it runs.
//!
//! A [`Host`](host::Host) loads [`Plugin`](host::Plugin)s, which attach [hooks](hook) to named
//! [points](hook::Point). The host runs the hooks of a point around what it would do anyway; readers take no
//! lock, and see a change whole or not at all. Dependencies between plugins are [resolved](resolve), and what
//! is loaded can be [looked up](registry).
//!
//! Begin with the [`guide`], a page for each concept, or with `examples/minimal_host.rs`:
//!
//! ```
//! use pipeline_core::hook::{ContextFamily, Flow, Hook, Point};
//! use pipeline_core::host::{Host, Plugin, PluginError, Registrar};
//! use pipeline_core::plugin::Manifest;
//! use pipeline_core::semver::Version;
//!
//! struct Texts;
//! impl ContextFamily for Texts {
//!     type Context<'a> = String;
//!     type Error = &'static str;
//! }
//!
//! const PUBLISH: Point<Texts> = Point::new("publish");
//!
//! struct Trim;
//! impl Plugin<Texts> for Trim {
//!     fn manifest(&self) -> Manifest {
//!         Manifest::new("trim", Version::new(1, 0, 0))
//!     }
//!     fn build(&self, registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
//!         let trim = |text: &mut String| {
//!             *text = text.trim().to_owned();
//!             Ok(Flow::Continue)
//!         };
//!         registrar.attach(PUBLISH, Hook::before(trim));
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let host = Host::new();
//!     host.load(Trim)?;
//!     let mut text = " hello ".to_owned();
//!     host.run(PUBLISH, &mut text, |text| Ok(text.push('!')), &mut Vec::new())?;
//!     assert_eq!(text, "hello!");
//!     Ok(())
//! }
//! ```
//!
//! # Features
//!
//! None is on by default, and without them nothing of Tokio is compiled.
//!
//! - `async`: hooks that wait, on Tokio, in `hook::asynchronous`; async points of a [`host`]; async
//!   subscribers of [`events`].
//! - `tower`: chains as layers around services, in `service`; with `async`.
//! - `schema`: the JSON Schema of the manifest, `plugin::Manifest::schema`.

// `published` is the one file that may: it opens with the argument.
#![deny(unsafe_code)]

pub mod breaker;
pub mod did_you_mean;
pub mod events;
pub mod guide;
pub mod hook;
pub mod host;
pub mod lifecycle;
pub mod plugin;
#[allow(unsafe_code)]
pub mod published;
pub mod registry;
pub mod requirement;
pub mod resolve;
#[cfg(feature = "tower")]
pub mod service;

#[doc(no_inline)]
pub use semver;

/// The README's program is a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
