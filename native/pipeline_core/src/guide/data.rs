//! Data.
//!
//! Manifests, requirements, errors, chain descriptions and host events are written and read with serde.
//! Unknown fields are refused, so that a misspelt one does not go unnoticed.
//!
//! ```
//! use pipeline_core::plugin::{Manifest, Needs};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manifest: Manifest = serde_json::from_str(
//!     r#"{
//!         "id": "blog",
//!         "version": "1.2.0",
//!         "capabilities": [{"name": "publish", "values": ["html"]}],
//!         "dependencies": [{"plugin": "cache", "requirement": "~> 1.4"}]
//!     }"#,
//! )?;
//! assert_eq!(manifest.dependencies[0].needs, Needs::Plugin("cache".into()));
//!
//! let written = serde_json::to_string(&manifest)?;
//! assert_eq!(serde_json::from_str::<Manifest>(&written)?, manifest);
//!
//! let misspelt = serde_json::from_str::<Manifest>(r#"{"id": "blog", "verison": "1.2.0"}"#);
//! assert!(misspelt.unwrap_err().to_string().starts_with("unknown field `verison`"));
//! # Ok(())
//! # }
//! ```
//!
//! A manifest in a file says what a plugin would be; a [`Plugin`](crate::host::Plugin) returns one of its
//! own, which may be read from such a file. Requirements in it are text until they are resolved, so that a
//! manifest with a wrong one can be read and refused by name.
//!
//! With the feature `schema`, `Manifest::schema` is the JSON Schema of the above, for editors and for checks
//! before a release: `cargo run --example manifest_schema --features schema` prints it.
//!
//! # Chains as data
//!
//! ```
//! use pipeline_core::hook::{Attachment, Chain, ContextFamily, Flow, Hook};
//!
//! # struct Texts;
//! # impl ContextFamily for Texts {
//! #     type Context<'a> = String;
//! #     type Error = &'static str;
//! # }
//! let trim = Hook::<Texts>::before(|_: &mut String| Ok(Flow::Continue));
//! let chain = Chain::new("publish", vec![Attachment::new("trim", 1, trim).priority(90)], |_| &[])?;
//! let described = serde_json::to_value(chain.describe())?;
//! assert_eq!(described["point"], "publish");
//! assert_eq!(described["hooks"][0]["plugin"], "trim");
//! assert_eq!(described["hooks"][0]["priority"], 90);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
