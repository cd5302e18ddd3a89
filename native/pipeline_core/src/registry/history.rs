use std::collections::HashSet;
use std::hash::Hash;

use imbl::Vector;

use super::ChangesError;

/// How many changes are remembered. A caller that asks less often than that lists all entries anew.
pub(super) const REMEMBERED: usize = 4096;

/// The changes between a generation and a snapshot, each id once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryChanges<Id> {
    /// The generation of the snapshot: what to ask with the next time.
    pub generation: u64,
    /// Registered or replaced since, and there; in the order of their last change.
    pub changed: Vec<Id>,
    /// There no more; in the order of their removal.
    pub removed: Vec<Id>,
}

/// The ids of the last changes, one for each generation.
#[derive(Clone)]
pub(super) struct History<Id> {
    ids: Vector<Id>,
    generation: u64,
}

impl<Id: Clone + Eq + Hash> History<Id> {
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn record(&mut self, id: Id) {
        if self.ids.len() == REMEMBERED {
            self.ids.pop_front();
        }
        self.ids.push_back(id);
        self.generation += 1;
    }

    pub(super) fn since(
        &self,
        generation: u64,
        is_there: impl Fn(&Id) -> bool,
    ) -> Result<RegistryChanges<Id>, ChangesError> {
        let current = self.generation;
        let asked = generation;
        let Some(back) = current.checked_sub(asked) else {
            return Err(ChangesError::Ahead { asked, current });
        };
        let Some(count) = usize::try_from(back)
            .ok()
            .filter(|&back| back <= self.ids.len())
        else {
            let oldest = current - self.ids.len() as u64;
            return Err(ChangesError::TooOld { asked, oldest });
        };
        let mut seen = HashSet::new();
        let mut latest: Vec<&Id> = self
            .ids
            .iter()
            .rev()
            .take(count)
            .filter(|&id| seen.insert(id))
            .collect();
        latest.reverse();
        let (changed, removed): (Vec<&Id>, Vec<&Id>) =
            latest.into_iter().partition(|id| is_there(id));
        Ok(RegistryChanges {
            generation: current,
            changed: changed.into_iter().cloned().collect(),
            removed: removed.into_iter().cloned().collect(),
        })
    }
}

impl<Id> Default for History<Id> {
    fn default() -> Self {
        Self {
            ids: Vector::new(),
            generation: 0,
        }
    }
}
