//! Manifests as data.
#![cfg(not(loom))]

mod any;
mod property;
mod reading;
#[cfg(feature = "schema")]
mod schema;
