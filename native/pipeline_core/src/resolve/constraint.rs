use std::collections::BTreeSet;

use super::version_index::Package;

/// Something that a person could give up to make a request possible.
///
/// The dependencies of all releases of a plugin on one target are one constraint: a message about them is
/// about that pair of plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Constraint {
    /// The root of this index.
    Root(usize),
    /// The lock of this plugin.
    Lock(usize),
    /// The requirements of this plugin on that target.
    Dependency(usize, Package),
}

/// The constraints in force.
pub(super) enum InForce<'a> {
    All,
    Only(&'a BTreeSet<Constraint>),
}

impl InForce<'_> {
    pub(super) fn contains(&self, constraint: Constraint) -> bool {
        match self {
            Self::All => true,
            Self::Only(constraints) => constraints.contains(&constraint),
        }
    }
}
