//! Hosts and plugins.
//!
//! A program that can be extended has a [`Host`](crate::host::Host) and says what its plugins work on: a
//! [`ContextFamily`](crate::hook::ContextFamily), which names the type of the context and the type of the
//! errors of hooks. Where the program can be extended it names a [`Point`](crate::hook::Point), and runs the
//! hooks of that point around what it would do anyway: the base operation.
//!
//! ```
//! use pipeline_core::hook::{ContextFamily, Point};
//! use pipeline_core::host::Host;
//!
//! struct Request {
//!     path: String,
//!     answer: Option<String>,
//! }
//!
//! struct Requests;
//! impl ContextFamily for Requests {
//!     type Context<'a> = Request;
//!     type Error = &'static str;
//! }
//!
//! const SERVE: Point<Requests> = Point::new("serve");
//!
//! fn serve(host: &Host<Requests>, path: &str) -> Option<String> {
//!     let mut request = Request { path: path.to_owned(), answer: None };
//!     let base = |request: &mut Request| {
//!         request.answer = Some(format!("the page {}", request.path));
//!         Ok(())
//!     };
//!     host.run(SERVE, &mut request, base, &mut Vec::new()).ok()?;
//!     request.answer
//! }
//!
//! // No plugin is needed for the host to work.
//! assert_eq!(serve(&Host::new(), "/about").as_deref(), Some("the page /about"));
//! ```
//!
//! The context may borrow: it is a generic associated type, and `type Context<'a> = &'a mut [u8]` is one.
//!
//! # A plugin
//!
//! A [`Plugin`](crate::host::Plugin) has a [`Manifest`](crate::plugin::Manifest), which says what it is and
//! needs, and attaches its hooks to a [`Registrar`](crate::host::Registrar). It may have a `start` and a
//! `stop`, for what it holds while it is loaded. State that its hooks share is the plugin's own, behind an
//! `Arc`.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU32, Ordering};
//!
//! use pipeline_core::hook::{ContextFamily, Hook, Point};
//! use pipeline_core::host::{Host, HostError, Plugin, PluginError, Registrar};
//! use pipeline_core::plugin::{Dependency, Manifest};
//! use pipeline_core::semver::Version;
//!
//! # struct Texts;
//! # impl ContextFamily for Texts {
//! #     type Context<'a> = String;
//! #     type Error = &'static str;
//! # }
//! # const PUBLISH: Point<Texts> = Point::new("publish");
//! #[derive(Default)]
//! struct Counting {
//!     published: Arc<AtomicU32>,
//! }
//!
//! impl Plugin<Texts> for Counting {
//!     fn manifest(&self) -> Manifest {
//!         Manifest::new("counting", Version::new(1, 0, 0))
//!     }
//!
//!     fn build(&self, registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
//!         let published = self.published.clone();
//!         let count = move |_: &mut String| {
//!             published.fetch_add(1, Ordering::Relaxed);
//!             Ok(())
//!         };
//!         registrar.attach(PUBLISH, Hook::after(count));
//!         Ok(())
//!     }
//! }
//!
//! /// Needs the one above.
//! struct Report;
//! impl Plugin<Texts> for Report {
//!     fn manifest(&self) -> Manifest {
//!         let counting = Dependency::plugin("counting").requirement("~> 1.0");
//!         Manifest::new("report", Version::new(0, 3, 0)).depends_on(counting)
//!     }
//!
//!     fn build(&self, _: &mut Registrar<Texts>) -> Result<(), PluginError> {
//!         Ok(())
//!     }
//! }
//!
//! let host = Host::new();
//! // Alone it has not what it needs; nothing has changed then.
//! assert!(matches!(host.load(Report), Err(HostError::Resolve(_))));
//! // Together they are put in order: all of them are loaded, or none.
//! let ids = host.load_all(vec![Box::new(Report), Box::new(Counting::default())])?;
//! assert_eq!(ids, ["counting".into(), "report".into()]);
//! // What others need stays.
//! let refused = host.unload(&"counting".into()).unwrap_err();
//! assert_eq!(refused.to_string(), "counting is needed by report; unload those first");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a load is
//!
//! The manifests are asked for; dependencies are resolved; every plugin is built, and the chains are made;
//! every plugin is started, dependencies first. Only then are the hooks there, on all points in one step. A
//! failure anywhere stops what was started and leaves everything as it was.
//! [`HostError`](crate::host::HostError) says who failed at what.
//!
//! Loading and unloading may happen at any time, from any thread. Runs do not wait for them, and each run
//! keeps to the chain that it began with: a hook of a plugin that was just unloaded may still be running in
//! another thread when `stop` is called.
