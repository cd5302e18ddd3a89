use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Name, Trouble};

/// Demands that cannot be met together; without any one of them they could.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict<N> {
    /// What is in trouble. Several entries if a plugin has versions that fail for different reasons.
    pub troubles: Vec<Trouble<N>>,
    /// The roots that have a part in it: without any one of them the rest can be had.
    pub roots: Vec<N>,
}

impl<N: Name> fmt::Display for Conflict<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, trouble) in self.troubles.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            trouble.write(f, &self.roots)?;
        }
        Ok(())
    }
}
