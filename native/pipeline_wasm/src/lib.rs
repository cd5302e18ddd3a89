//! Plugins in WebAssembly for Rust programs: they compute, and do what they were granted; nothing else.
//!
//! A [`WasmPlugin`] is a [`Plugin`](pipeline_core::host::Plugin) whose hooks are functions of a WebAssembly module.
//! It loads into a [`Host`](pipeline_core::host::Host) beside plugins in Rust, for every context that shows its
//! [`Fields`]. The module carries its manifest, and says there what it asks for; [`Grants`] say what it gets.
//!
//! ```
//! use pipeline_core::hook::{ContextFamily, Point};
//! use pipeline_core::host::Host;
//! use pipeline_wasm::{Failure, Grants, WasmPlugin};
//! use serde_json::{Value, json};
//!
//! struct Documents;
//! impl ContextFamily for Documents {
//!     type Context<'a> = Value;
//!     type Error = Failure;
//! }
//!
//! const PUBLISH: Point<Documents> = Point::new("publish");
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let guest = wat::parse_str(include_str!("../examples/star.wat"))?;
//! let grants = Grants::none().read("/stars")?.write("/stars")?;
//! let host: Host<Documents> = Host::new();
//! host.load(WasmPlugin::from_bytes(&guest, grants)?)?;
//!
//! let mut document = json!({"title": "Walls", "stars": 4});
//! host.run(PUBLISH, &mut document, |_| Ok(()), &mut Vec::new())?;
//! assert_eq!(document, json!({"title": "Walls", "stars": 5}));
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! A call ends when its fuel, its memory or its time is used up, when it traps, or when it reaches for a field that it
//! was not granted. Each is a [`Failure`] of that hook. A hook that failed has changed nothing.
//!
//! # The guest's side
//!
//! `docs/sandbox-abi.md` says what a module exports and imports, with an example by hand.

#![forbid(unsafe_code)]

mod changes;
mod engine;
mod failure;
mod fields;
mod grants;
mod guest;
mod load_error;
mod path;
mod plugin;
mod run;
mod section;
pub mod serialized;
mod services;
mod value;

pub use engine::MAX_MODULE_BYTES;
pub use failure::{Access, Failure, Trap};
pub use fields::{Change, FieldError, Fields};
pub use grants::{Excess, Grants};
pub use guest::{Ending, Guest, Isolation};
pub use load_error::{ImportProblem, LoadError, SectionProblem};
pub use path::{FieldPath, MAX_KEYS, PathError};
pub use plugin::WasmPlugin;
pub use section::GuestManifest;
pub use services::{LogLevel, Services};
pub use value::{Kind, Value};
