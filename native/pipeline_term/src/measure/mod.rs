//! Counts and times of segments and their hooks, taken without locks.

mod histogram;
mod hook_measures;
mod sampling;
mod segment_measures;
mod sharded_counter;

pub(crate) use histogram::{Bucket, Histogram, quantile};
pub(crate) use hook_measures::HookMeasures;
pub(crate) use sampling::is_sampled;
pub(crate) use segment_measures::SegmentMeasures;
pub(crate) use sharded_counter::ShardedCounter;
