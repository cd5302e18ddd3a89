use semver::Version;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::unmet::listed;
use super::{Conflict, Cycle, Identifier, Unmet};

/// Why plugins cannot be put in an order.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolveError<N: Identifier> {
    /// Two of the plugins to load have the same id.
    #[error("two plugins to load have the id {id} ({first} and {second}): keep one of them")]
    DuplicateId {
        /// The id.
        id: N,
        /// The version of the one given first.
        first: Version,
        /// The version of the other.
        second: Version,
    },
    /// A plugin to load has the id of one that is loaded.
    #[error("{id} {loaded} is loaded already: unload it before {id} {version} is loaded")]
    AlreadyLoaded {
        /// The id.
        id: N,
        /// The version that is loaded.
        loaded: Version,
        /// The version to load.
        version: Version,
    },
    /// Dependencies that are missing or there in a wrong version: all of them, in the order of the input.
    #[error("{}", listed(.0))]
    Unmet(Vec<Unmet<N>>),
    /// Plugins that wait for each other.
    #[error("{0}")]
    Cycle(Cycle<N>),
}

/// Why no versions can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SolveError<N: Identifier> {
    /// The same version of a plugin is known twice.
    #[error("{id} {version} was found twice: keep one of the two")]
    DuplicateRelease {
        /// The id.
        id: N,
        /// The version.
        version: Version,
    },
    /// The demands contradict each other or the known releases.
    #[error("{0}")]
    Conflict(Conflict<N>),
}
