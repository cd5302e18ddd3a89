use serde::{Deserialize, Serialize};

/// Whether a breaker lets callers through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// All of them.
    Closed,
    /// None. It stays so until a caller comes when the cool-down is over.
    Open,
    /// Some, on trial.
    HalfOpen,
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionReason {
    /// There were too many failures within the window.
    Failures,
    /// The cool-down is over.
    CoolDown,
    /// A trial failed.
    TrialFailed,
    /// As many trials passed as it takes.
    TrialsPassed,
    /// Somebody closed it.
    Reset,
}

/// A change of state. Each is told once, to the caller whose call made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state before.
    pub from: BreakerState,
    /// The state from now on.
    pub to: BreakerState,
    /// Why.
    pub reason: TransitionReason,
}
