use std::collections::HashMap;
use std::hash::Hash;

use super::entry::OrderEntry;

/// On which side of the named hooks the declaring one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

/// The constraints that apply among the hooks of one kind, which are named by their rank in the standing
/// order.
pub(super) struct Constraints {
    /// By rank: the hooks it names and the side it wants to be on. A hook with none keeps its place.
    named: Vec<Vec<(usize, Side)>>,
}

impl Constraints {
    /// `None` when no constraint applies.
    pub(super) fn applying<Id: Eq + Hash>(hooks: &[&OrderEntry<Id>]) -> Option<Self> {
        if !hooks.iter().any(|hook| hook.declares_constraints()) {
            return None;
        }
        let mut ranks: HashMap<&Id, Vec<usize>> = HashMap::new();
        for (rank, hook) in hooks.iter().enumerate() {
            ranks.entry(&hook.plugin).or_default().push(rank);
        }
        let named: Vec<Vec<(usize, Side)>> = hooks
            .iter()
            .enumerate()
            .map(|(rank, hook)| {
                let before = hook.before.iter().map(|id| (id, Side::Before));
                let after = hook.after.iter().map(|id| (id, Side::After));
                let mut named = Vec::new();
                for (id, side) in before.chain(after) {
                    let targets = ranks.get(id).map_or(&[][..], Vec::as_slice);
                    // A plugin that names itself means its other hooks.
                    named.extend(
                        targets
                            .iter()
                            .filter(|&&target| target != rank)
                            .map(|&target| (target, side)),
                    );
                }
                named
            })
            .collect();
        named
            .iter()
            .any(|named| !named.is_empty())
            .then_some(Self { named })
    }

    pub(super) fn len(&self) -> usize {
        self.named.len()
    }

    pub(super) fn named(&self, rank: usize) -> &[(usize, Side)] {
        &self.named[rank]
    }

    pub(super) fn moves(&self, rank: usize) -> bool {
        !self.named[rank].is_empty()
    }

    pub(super) fn movers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|&rank| self.moves(rank))
    }

    pub(super) fn standing(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|&rank| !self.moves(rank))
    }

    /// Each constraint as (earlier, later, side that the declaring hook is on).
    pub(super) fn edges(&self) -> impl Iterator<Item = (usize, usize, Side)> + '_ {
        self.named.iter().enumerate().flat_map(|(rank, named)| {
            named.iter().map(move |&(target, side)| match side {
                Side::Before => (rank, target, side),
                Side::After => (target, rank, side),
            })
        })
    }
}
