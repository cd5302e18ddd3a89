//! Plugin registry, dependency resolution and hook chains, without a VM.

// `published` is the one file that may: it opens with the argument.
#![deny(unsafe_code)]

pub mod events;
pub mod hook;
pub mod host;
pub mod plugin;
#[allow(unsafe_code)]
pub mod published;
pub mod registry;
pub mod requirement;
pub mod resolve;
#[cfg(feature = "tower")]
pub mod service;
