use std::cmp::Reverse;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How an entry offers itself as the provider of a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    /// Higher goes first.
    pub priority: i64,
    /// Goes ahead of all that are not default, whatever their priority.
    pub default: bool,
}

/// A provider that was found.
#[derive(Debug)]
pub struct Provision<E> {
    /// The provider.
    pub entry: Arc<E>,
    /// Which of the entry's provider declarations it is, counted from 0.
    pub declaration: usize,
}

impl<E> Clone for Provision<E> {
    fn clone(&self) -> Self {
        Self {
            entry: self.entry.clone(),
            declaration: self.declaration,
        }
    }
}

/// The order among the providers of a type: default, priority, place in load order, declaration.
pub(super) type Rank = (Reverse<bool>, Reverse<i64>, u64, usize);

pub(super) fn rank(provider: Provider, place: u64, declaration: usize) -> Rank {
    (
        Reverse(provider.default),
        Reverse(provider.priority),
        place,
        declaration,
    )
}
