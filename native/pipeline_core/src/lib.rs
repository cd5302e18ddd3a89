//! Plugin registry, dependency resolution and hook chains, without a VM.
//!
//! # Features
//!
//! None is on by default, and without them nothing of Tokio is compiled.
//!
//! - `async`: hooks that wait, on Tokio, in `hook::asynchronous`; async points of a [`host`]; async subscribers of
//!   [`events`].
//! - `tower`: chains as layers around services, in `service`; with `async`.
//! - `schema`: the JSON Schema of the manifest, `plugin::Manifest::schema`.

// `published` is the one file that may: it opens with the argument.
#![deny(unsafe_code)]

pub mod breaker;
pub mod events;
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
