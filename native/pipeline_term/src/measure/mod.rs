//! What is counted and timed of segments and their hooks, without locks and in passing.

mod counter;
mod histogram;
mod hook_measures;
mod sampling;
mod segment_measures;

pub(crate) use counter::Counter;
pub(crate) use histogram::{Bucket, Histogram, quantile};
pub(crate) use hook_measures::HookMeasures;
pub(crate) use sampling::is_sampled;
pub(crate) use segment_measures::SegmentMeasures;
