use super::BreakerState;

/// The state of a breaker in one word: a number that grows with every transition, the state, and two counts.
///
/// | state | first count | second count |
/// |---|---|---|
/// | closed | the next place for a failure | |
/// | open | | |
/// | half-open | trials begun | trials passed |
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedState(pub(super) u64);

const COUNT: u64 = (1 << 15) - 1;

impl PackedState {
    pub(super) const FIRST: Self = Self(0);

    pub(super) fn generation(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(0)
    }

    pub(super) fn state(self) -> BreakerState {
        match self.0 >> 30 & 3 {
            0 => BreakerState::Closed,
            1 => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }

    /// At most 2 * `MAX_COUNT`, as the second.
    pub(super) fn first(self) -> u32 {
        u32::try_from(self.0 >> 15 & COUNT).unwrap_or(0)
    }

    pub(super) fn second(self) -> u32 {
        u32::try_from(self.0 & COUNT).unwrap_or(0)
    }

    /// In the same state with other counts.
    pub(super) fn counting(self, first: u32, second: u32) -> Self {
        Self(self.0 >> 30 << 30 | u64::from(first) << 15 | u64::from(second))
    }

    /// In another state, or anew in the same.
    pub(super) fn entering(self, state: BreakerState) -> Self {
        let state = match state {
            BreakerState::Closed => 0,
            BreakerState::Open => 1,
            BreakerState::HalfOpen => 2,
        };
        Self(u64::from(self.generation().wrapping_add(1)) << 32 | state << 30)
    }
}
