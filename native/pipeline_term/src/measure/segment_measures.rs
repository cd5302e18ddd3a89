use super::{Histogram, HookMeasures, ShardedCounter};
use std::sync::atomic::{AtomicU64, Ordering};

/// The statistics of a segment.
pub(crate) struct SegmentMeasures {
    normal: ShardedCounter,
    dirty: AtomicU64,
    moved: AtomicU64,
    /// Of the runs that were timed.
    pub(crate) times: Histogram,
    pub(crate) hooks: Box<[HookMeasures]>,
}

impl SegmentMeasures {
    /// Of a segment of this many hooks.
    pub(crate) fn new(hooks: usize) -> Self {
        Self {
            normal: ShardedCounter::new(),
            dirty: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            times: Histogram::new(),
            hooks: std::iter::repeat_with(HookMeasures::new)
                .take(hooks)
                .collect(),
        }
    }

    /// A run starts on a normal scheduler. Returns how many did before, of those counted in one place.
    #[inline]
    pub(crate) fn starts_normal(&self) -> u64 {
        self.normal.add()
    }

    /// A run starts on a dirty scheduler. Returns how many did before.
    pub(crate) fn starts_dirty(&self) -> u64 {
        self.dirty.fetch_add(1, Ordering::Relaxed)
    }

    /// A run moves to a dirty scheduler.
    pub(crate) fn moves(&self) {
        self.moved.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs that started on a normal scheduler.
    pub(crate) fn normal(&self) -> u64 {
        self.normal.sum()
    }

    /// Runs that started on a dirty scheduler.
    pub(crate) fn dirty(&self) -> u64 {
        self.dirty.load(Ordering::Relaxed)
    }

    /// Runs that started on a normal scheduler and went on on a dirty one.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }
}
