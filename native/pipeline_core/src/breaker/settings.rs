use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most failures or trials that a breaker counts.
pub const MAX_COUNT: u32 = 1024;

/// When a breaker opens, and how it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "UncheckedSettings")]
pub struct Settings {
    pub(super) failures: u32,
    pub(super) window: u64,
    pub(super) cool_down: u64,
    pub(super) trials: u32,
}

impl Settings {
    /// `failures` within `window` nanoseconds open it; `cool_down` nanoseconds later `trials` runs are
    /// admitted, which close it when all of them pass.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] names the first number that does not fit.
    pub fn new(
        failures: u32,
        window: u64,
        cool_down: u64,
        trials: u32,
    ) -> Result<Self, SettingsError> {
        if !(1..=MAX_COUNT).contains(&failures) {
            return Err(SettingsError::Failures(failures));
        }
        if window == 0 {
            return Err(SettingsError::Window);
        }
        if cool_down == 0 {
            return Err(SettingsError::CoolDown);
        }
        if !(1..=MAX_COUNT).contains(&trials) {
            return Err(SettingsError::Trials(trials));
        }
        Ok(Self {
            failures,
            window,
            cool_down,
            trials,
        })
    }
}

/// Settings that no breaker can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// Too few failures, or too many.
    #[error("a breaker opens after 1 to {MAX_COUNT} failures, not after {0}")]
    Failures(u32),
    /// No window.
    #[error("the window of a breaker is at least a nanosecond")]
    Window,
    /// No cool-down.
    #[error("the cool-down of a breaker is at least a nanosecond")]
    CoolDown,
    /// Too few trials, or too many.
    #[error("a breaker closes after 1 to {MAX_COUNT} trials, not after {0}")]
    Trials(u32),
}

/// Settings as they were read, to be checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedSettings {
    failures: u32,
    window: u64,
    cool_down: u64,
    trials: u32,
}

impl TryFrom<UncheckedSettings> for Settings {
    type Error = SettingsError;

    fn try_from(unchecked: UncheckedSettings) -> Result<Self, SettingsError> {
        Self::new(
            unchecked.failures,
            unchecked.window,
            unchecked.cool_down,
            unchecked.trials,
        )
    }
}
