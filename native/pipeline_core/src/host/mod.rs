//! Plugins of a Rust program: loaded, run and unloaded while the program runs.
//!
//! ```
//! use pipeline_core::hook::{ContextFamily, Flow, Hook};
//! use pipeline_core::host::{Host, Plugin, PluginError, Registrar};
//! use pipeline_core::plugin::Manifest;
//! use semver::Version;
//!
//! struct Texts;
//! impl ContextFamily for Texts {
//!     type Context<'a> = String;
//!     type Error = &'static str;
//! }
//!
//! struct Trim;
//! impl Plugin<Texts> for Trim {
//!     fn manifest(&self) -> Manifest {
//!         Manifest::new("trim", Version::new(1, 0, 0))
//!     }
//!
//!     fn build(&self, registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
//!         let trim = Hook::before(|text: &mut String| {
//!             *text = text.trim().to_owned();
//!             Ok(Flow::Continue)
//!         });
//!         registrar.attach("execute_node", trim).priority = 90;
//!         Ok(())
//!     }
//! }
//!
//! let host = Host::new();
//! let id = host.load(Trim)?;
//! let mut text = " hello ".to_owned();
//! let mut skipped = Vec::new();
//! host.run("execute_node", &mut text, |text| Ok(text.push('!')), &mut skipped)?;
//! assert_eq!(text, "hello!");
//! host.unload(&id)?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "async")]
mod async_points;
mod attached;
mod error;
mod event;
mod lifecycle;
mod needs;
mod plugin;
mod points;
mod registrar;
mod report;
mod state;

pub use error::{HostError, Stage};
pub use event::HostEvent;
pub use lifecycle::Host;
pub use plugin::{Plugin, PluginError};
pub use registrar::Registrar;
