use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::order::Contradiction;
use crate::plugin::{Name, PluginId};

/// How many around and replace hooks one point can have, together. Each of them stands on the stack while
/// what it wraps runs, and the stack of a dirty scheduler is small.
pub const MAX_NESTING: usize = 64;

/// Why hooks do not make a chain.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChainError {
    /// Named constraints that cannot all hold.
    #[error("on {point}, {contradiction}")]
    Contradiction {
        /// The point.
        point: Name,
        /// The cycle.
        contradiction: Contradiction<PluginId>,
    },
    /// More around and replace hooks than [`MAX_NESTING`].
    #[error(
        "{point} has {count} around and replace hooks, and {MAX_NESTING} is the most; make some of them before or after hooks"
    )]
    TooDeep {
        /// The point.
        point: Name,
        /// How many there are.
        count: usize,
    },
}
