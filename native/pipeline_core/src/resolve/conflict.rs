use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ConflictCause, Identifier};

/// Demands that cannot be met together; without any one of them they could.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict<N> {
    /// The plugins and capabilities that cannot be had. Several entries if a plugin has versions that fail
    /// for different reasons.
    pub causes: Vec<ConflictCause<N>>,
    /// The roots that have a part in it: without any one of them the rest can be had.
    pub roots: Vec<N>,
}

impl<N: Identifier> fmt::Display for Conflict<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, cause) in self.causes.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            cause.write(f, &self.roots)?;
        }
        Ok(())
    }
}
