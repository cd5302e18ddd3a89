//! Chains: cases written as data, random chains against a naive model, and what no case can say.
#![cfg(not(loom))]

mod case;
mod conformance;
mod edges;
mod listeners;
mod model;
mod property;
#[cfg(feature = "async")]
mod waiting;
