//! Segments: native hooks that stand next to each other in a chain and run in one call.

mod fused;
mod nifs;
mod outcome;

pub use fused::{OnError, Segment, SegmentError, Step};
pub(crate) use nifs::{HookResource, one_of};
pub use outcome::{End, Fault, Outcome, Skip};
