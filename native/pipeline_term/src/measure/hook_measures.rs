use super::Histogram;
use std::sync::atomic::{AtomicU64, Ordering};

/// The statistics of one hook in a segment.
pub(crate) struct HookMeasures {
    failures: AtomicU64,
    skips: AtomicU64,
    answers: AtomicU64,
    ends: AtomicU64,
    /// Of the runs that were timed.
    pub(crate) times: Histogram,
}

impl HookMeasures {
    pub(crate) fn new() -> Self {
        Self {
            failures: AtomicU64::new(0),
            skips: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            ends: AtomicU64::new(0),
            times: Histogram::new(),
        }
    }

    /// It failed, which ended the run.
    #[cold]
    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// It failed and was skipped.
    #[cold]
    pub(crate) fn skipped(&self) {
        self.skips.fetch_add(1, Ordering::Relaxed);
    }

    /// It answered early, which ended the run.
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// It was not called, for its open circuit, which ended the run.
    #[cold]
    pub(crate) fn not_called(&self) {
        self.ends.fetch_add(1, Ordering::Relaxed);
    }

    /// How many runs got no further than to it.
    pub(crate) fn ended(&self) -> u64 {
        self.failures() + self.answers() + self.ends.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn skips(&self) -> u64 {
        self.skips.load(Ordering::Relaxed)
    }

    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}
