//! Segments: native hooks that stand next to each other in a chain and run in one call.

mod calls;
mod definition;
mod metered_segment;
mod nifs;
mod outcome;
mod segment_run;
mod stats;

pub(crate) use calls::Resume;
use definition::{Segment, SegmentError, SegmentStep};
pub(crate) use metered_segment::MeteredSegment;
pub(crate) use nifs::one_of;
pub(crate) use outcome::FailureTerm;
use outcome::{CircuitTransition, RunEvents, SegmentEnd, SkippedHook};
