use crate::schedule::now;
use std::cell::Cell;

/// The work of a run since the clock was last read. It decides when to read the clock again: reading
/// it costs more than a light hook.
///
/// A unit is a byte of text that was read or written, and takes something like 3 ns; see [`HOOK`](Self::HOOK)
/// and [`DATA`](Self::DATA) for what else counts.
pub(crate) struct WorkMeter {
    units: Cell<u64>,
    limit: u64,
    /// 0 as long as it is not known.
    started: Cell<u64>,
}

impl WorkMeter {
    /// The units of calling a hook.
    pub(crate) const HOOK: u64 = 16;
    /// The units of a copy as plain data.
    pub(crate) const DATA: u64 = 2048;
    /// The units after which the clock is read: some 50 microseconds of work on text, or a thousand light
    /// hooks.
    const LIMIT: u64 = 16 * 1024;

    /// For a run that reads the clock when it has done much.
    #[inline]
    pub(crate) fn counted() -> Self {
        Self {
            units: Cell::new(0),
            limit: Self::LIMIT,
            started: Cell::new(0),
        }
    }

    /// For a run that began at `started` and reads the clock after each hook.
    pub(crate) fn timed(started: u64) -> Self {
        Self {
            units: Cell::new(0),
            limit: 0,
            started: Cell::new(started),
        }
    }

    /// Counts work that is about to be done. From the first time that it is much the run has a beginning.
    #[inline]
    pub(crate) fn add(&self, units: u64) {
        let sum = self.units.get() + units;
        self.units.set(sum);
        if sum >= self.limit && self.started.get() == 0 {
            self.begin();
        }
    }

    #[cold]
    fn begin(&self) {
        self.started.set(now());
    }

    /// Counts the bytes of a text.
    #[inline]
    pub(crate) fn add_bytes(&self, bytes: usize) {
        // More than memory holds would be a mistake of the caller's, and must not overflow the sum.
        self.add(u64::try_from(bytes).unwrap_or(u64::MAX).min(1 << 48));
    }

    /// Whether it is time to read the clock.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.units.get() >= self.limit
    }

    /// Notes that the clock has been read.
    pub(crate) fn looked(&self) {
        self.units.set(0);
    }

    /// When the run began, as far as that is known.
    #[inline]
    pub(crate) fn started(&self) -> Option<u64> {
        Some(self.started.get()).filter(|started| *started > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::WorkMeter;

    #[test]
    fn the_clock_is_first_read_when_much_is_about_to_be_done() {
        let work = WorkMeter::counted();
        for _ in 0..1023 {
            work.add(WorkMeter::HOOK);
        }
        assert!(work.started().is_none() && !work.is_due());
        work.add_bytes(usize::MAX);
        assert!(work.started().is_some() && work.is_due());
        work.looked();
        assert!(work.started().is_some() && !work.is_due());
    }

    #[test]
    fn a_timed_run_is_looked_at_after_each_hook() {
        let work = WorkMeter::timed(1);
        work.looked();
        assert!(work.is_due());
    }
}
