use super::Budget;
use std::sync::atomic::{AtomicU64, Ordering};

/// A new time weighs an eighth.
const SHIFT: u32 = 3;
/// Set while the segment is to start on a dirty scheduler; the nanoseconds stand above it.
const SLOW: u64 = 1;

/// The exponentially weighted moving average of the times of a segment's runs, and what follows from it.
///
/// One word without a lock: of two runs that end at once one may not be counted in.
pub(crate) struct Average(AtomicU64);

/// An average as it was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading(u64);

impl Average {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn read(&self) -> Reading {
        Reading(self.0.load(Ordering::Relaxed))
    }

    /// Counts a time in nanoseconds in. The first one is the average.
    pub(crate) fn add(&self, time: u64, budget: Budget) {
        // 0 stands for no time yet; the sum and the shift below have to stay within 64 bits.
        let time = time.clamp(1, u64::MAX >> 8);
        let before = self.read();
        let average = match before.nanos() {
            0 => time,
            nanos => nanos - (nanos >> SHIFT) + (time >> SHIFT),
        };
        let slow =
            budget.is_exceeded_by(average) || (before.is_slow() && !budget.is_far_from(average));
        self.0
            .store((average << 1) | u64::from(slow), Ordering::Relaxed);
    }
}

impl Reading {
    /// Nanoseconds; 0 before the first time.
    #[inline]
    pub(crate) fn nanos(self) -> u64 {
        self.0 >> 1
    }

    /// Whether runs are to start on a dirty scheduler.
    #[inline]
    pub(crate) fn is_slow(self) -> bool {
        self.0 & SLOW != 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Average, Budget};

    const BUDGET: u64 = 500;

    fn after(times: &[u64]) -> Average {
        let average = Average::new();
        for micros in times {
            average.add(micros * 1000, Budget::of_micros(BUDGET));
        }
        average
    }

    #[test]
    fn one_slow_run_among_quick_ones_changes_nothing() {
        let average = after(&[10, 10, 10, 2_000]);
        assert_eq!(average.read().nanos(), 258_750);
        assert!(!average.read().is_slow());
    }

    #[test]
    fn slow_runs_make_a_segment_slow() {
        assert!(after(&[501]).read().is_slow());
        assert!(after(&[10, 2_000, 2_000, 2_000]).read().is_slow());
    }

    #[test]
    fn it_is_quick_again_below_half_of_the_budget() {
        let mut times = vec![1000];
        while after(&times).read().nanos() > 300_000 {
            times.push(1);
        }
        assert!(after(&times).read().is_slow());
        while after(&times).read().nanos() > 250_000 {
            times.push(1);
        }
        assert!(!after(&times).read().is_slow());
    }

    #[test]
    fn no_time_is_too_long() {
        let average = after(&[]);
        for _ in 0..100 {
            average.add(u64::MAX, Budget::INFINITE);
        }
        assert!(!average.read().is_slow());
        assert!(average.read().nanos() > u64::MAX >> 9);
    }
}
