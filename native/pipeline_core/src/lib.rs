//! Plugin registry, dependency resolution and hook chains, without a VM.

pub mod hook;
pub mod requirement;
pub mod resolve;
