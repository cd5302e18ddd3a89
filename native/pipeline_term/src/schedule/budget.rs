/// How long a run may keep a normal scheduler, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget(u64);

impl Budget {
    /// No run is too long: runs stay where they start, and the VM is not told of them.
    pub(crate) const INFINITE: Self = Self(u64::MAX);

    pub(crate) fn of_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1000))
    }

    /// Nanoseconds; `None` if no run is too long.
    pub(crate) fn nanos(self) -> Option<u64> {
        (self != Self::INFINITE).then_some(self.0)
    }

    /// Whether a run of this many nanoseconds is too long.
    pub(crate) fn is_exceeded_by(self, time: u64) -> bool {
        time > self.0
    }

    /// Whether runs of this many nanoseconds are so short that a segment which was slow starts on a normal
    /// scheduler again. Half the budget, so that a segment which takes about all of it does not go back and
    /// forth.
    pub(crate) fn is_far_from(self, time: u64) -> bool {
        time <= self.0 / 2
    }

    /// Whether runs of this many nanoseconds are long enough to read the clock after each of their hooks,
    /// which is some 25 ns: a 32nd of the budget, and ten times as much for each hook. Many light hooks would
    /// be found to be slow for the time that it takes to time them.
    pub(crate) fn is_near(self, time: u64, hooks: usize) -> bool {
        time > self.0 / 32 && time > 250 * hooks as u64
    }
}
