use super::atomics::{AtomicU64, Ordering, fence};

/// The times of the last failures, as many as open the breaker. A caller that has a place writes its time
/// there, in any order.
pub(super) struct Failures {
    times: Box<[AtomicU64]>,
}

impl Failures {
    pub(super) fn new(count: u32) -> Self {
        Self {
            times: (0..count).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// How many there are.
    pub(super) fn capacity(&self) -> u32 {
        u32::try_from(self.times.len()).unwrap_or(u32::MAX)
    }

    /// The place after this one. Places from the capacity on say that all have been taken once.
    pub(super) fn after(&self, place: u32) -> u32 {
        let next = place + 1;
        if next == 2 * self.capacity() {
            self.capacity()
        } else {
            next
        }
    }

    /// Writes a failure down. The last of several callers to do so sees the times of all.
    pub(super) fn put(&self, place: u32, now: u64) {
        // A straggler that had this place before does not take the time back.
        self.times[(place % self.capacity()) as usize].fetch_max(now, Ordering::Relaxed);
        // Each writes one time and then reads those of the others: of two fences the later one sees what came
        // before the earlier.
        fence(Ordering::SeqCst);
    }

    /// Whether all of them lie within one window. Meant for when all have been taken.
    pub(super) fn within(&self, window: u64) -> bool {
        let times = self.times.iter().map(|time| time.load(Ordering::Relaxed));
        let (first, last) = times.fold((u64::MAX, 0), |(first, last), time| {
            (first.min(time), last.max(time))
        });
        last - first < window
    }

    /// How many of the first `taken` are not older than a window.
    pub(super) fn recent(&self, taken: u32, window: u64, now: u64) -> u32 {
        let times = self.times.iter().take(taken as usize);
        let recent = times.filter(|time| now.saturating_sub(time.load(Ordering::Relaxed)) < window);
        u32::try_from(recent.count()).unwrap_or(u32::MAX)
    }
}
