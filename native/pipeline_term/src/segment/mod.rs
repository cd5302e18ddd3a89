//! Segments: native hooks that stand next to each other in a chain and run in one call.

mod calls;
mod fused;
mod metered;
mod nifs;
mod outcome;
mod resource;
mod run;
mod stats;

pub(crate) use calls::Resume;
use fused::{OnError, Segment, SegmentError, Step};
pub(crate) use nifs::{HookResource, one_of};
pub(crate) use outcome::Fault;
use outcome::{End, Events, Moved, Skip};
pub use resource::load;
