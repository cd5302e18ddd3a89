use std::sync::atomic::{AtomicU32, Ordering};

/// Half octaves from 1 ns to 4 s; what takes longer is in the last.
const BUCKETS: usize = 64;

/// How often what took how long: two buckets for each power of two.
pub(crate) struct Histogram([AtomicU32; BUCKETS]);

/// A bucket that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// The shortest time in it, in nanoseconds.
    pub(crate) from: u64,
    /// The shortest time that is not.
    pub(crate) to: u64,
    /// How often.
    pub(crate) count: u32,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self([const { AtomicU32::new(0) }; BUCKETS])
    }

    /// Counts a time in nanoseconds.
    pub(crate) fn record(&self, time: u64) {
        self.0[bucket(time)].fetch_add(1, Ordering::Relaxed);
    }

    /// The buckets that are not empty, from the shortest.
    pub(crate) fn buckets(&self) -> Vec<Bucket> {
        (0..BUCKETS)
            .map(|index| Bucket {
                from: bound(index),
                to: bound(index + 1),
                count: self.0[index].load(Ordering::Relaxed),
            })
            .filter(|bucket| bucket.count > 0)
            .collect()
    }
}

/// The time in nanoseconds that this many in a thousand did not exceed, as exact as the buckets; `None` if
/// nothing was counted.
pub(crate) fn quantile(buckets: &[Bucket], per_mille: u64) -> Option<u64> {
    let total: u64 = buckets.iter().map(|bucket| u64::from(bucket.count)).sum();
    let wanted = (total * per_mille).div_ceil(1000).max(1);
    let mut seen = 0;
    buckets
        .iter()
        .find(|bucket| {
            seen += u64::from(bucket.count);
            seen >= wanted
        })
        .map(|bucket| u64::midpoint(bucket.from, bucket.to))
}

fn bucket(time: u64) -> usize {
    let time = time.max(1);
    let octave = time.ilog2();
    // The bit below the highest tells the halves of an octave apart; the first octave has none.
    let half = if octave == 0 {
        0
    } else {
        (time >> (octave - 1)) & 1
    };
    ((octave as usize) * 2 + usize::from(half == 1)).min(BUCKETS - 1)
}

/// The shortest time in the bucket at `index`.
fn bound(index: usize) -> u64 {
    let start = 1_u64 << (index / 2);
    if index.is_multiple_of(2) {
        start
    } else {
        start + start / 2
    }
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, Bucket, Histogram, bound, bucket, quantile};

    #[test]
    fn every_time_is_in_a_bucket_around_it() {
        for time in (2..5_000_000).step_by(7).chain([1 << 31, (1 << 32) - 1]) {
            let index = bucket(time);
            assert!(bound(index) <= time && time < bound(index + 1), "{time}");
        }
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_the_buckets() {
        let histogram = Histogram::new();
        for _ in 0..98 {
            histogram.record(100);
        }
        histogram.record(1_000_000);
        histogram.record(1_000_000);
        let buckets = histogram.buckets();
        let quick = Bucket {
            from: 96,
            to: 128,
            count: 98,
        };
        assert_eq!(buckets[0], quick);
        assert_eq!(quantile(&buckets, 500), Some(112));
        assert_eq!(quantile(&buckets, 980), Some(112));
        assert_eq!(quantile(&buckets, 990), Some(917_504));
        assert_eq!(quantile(&[], 500), None);
    }
}
