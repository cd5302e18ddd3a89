//! Circuits of hooks: breakers of the core that terms hold, asked by Elixir code or within a segment.

mod encoded_transition;
mod nifs;
mod segment_circuit;

pub(crate) use encoded_transition::EncodedTransition;
pub(crate) use segment_circuit::SegmentCircuit;
