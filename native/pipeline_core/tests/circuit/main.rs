//! Hooks with circuits: on chains that wait and chains that do not, as listeners, in a host.
#![cfg(not(loom))]

mod bench;
mod concurrent;
mod host;
mod kinds;
mod listeners;
mod property;
mod rules;
#[cfg(feature = "async")]
mod waiting;
