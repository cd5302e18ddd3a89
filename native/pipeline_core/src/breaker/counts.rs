use super::BreakerState;

/// A breaker's state and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Its state.
    pub state: BreakerState,
    /// The failures that count at the moment: those within the window while it is closed, otherwise those
    /// that opened it.
    pub failures: u32,
    /// How often it has opened.
    pub opened: u64,
    /// How many callers it has refused.
    pub refused: u64,
}
