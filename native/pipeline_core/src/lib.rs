//! Plugin registry, dependency resolution and hook chains, without a VM.

pub mod hook;
