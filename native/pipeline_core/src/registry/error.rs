use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a registry refused a change.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RegistryError<Id> {
    /// The id is taken.
    #[error("{0} is registered already; unregister it first, or replace it")]
    DuplicateId(Id),
    /// No entry has this id.
    #[error("{0} is not registered; register it first")]
    UnknownId(Id),
}

/// Why a registry cannot say what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangesError {
    /// The changes reach farther back than the history.
    #[error(
        "generation {asked} is too old: the history begins after generation {oldest}; list all entries anew"
    )]
    TooOld {
        /// The generation asked for.
        asked: u64,
        /// The oldest generation that can be asked for.
        oldest: u64,
    },
    /// The generation has not been yet, so that it comes from another registry.
    #[error(
        "generation {asked} has not been yet: this registry is at {current}; list all entries anew"
    )]
    Ahead {
        /// The generation asked for.
        asked: u64,
        /// The generation that the registry is at.
        current: u64,
    },
}
