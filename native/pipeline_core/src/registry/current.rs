use std::fmt;
use std::sync::Arc;

use super::{ChangesError, Provision, RegistryChanges, RegistryEntry, RegistryError, Snapshot};
use crate::published::Published;

/// The entries that are there now.
///
/// Every read sees the registry as a change left it, never half a change. Reads that belong together are done
/// on one [`Registry::snapshot`] or within one [`Registry::read`].
pub struct Registry<E: RegistryEntry> {
    current: Published<Snapshot<E>>,
}

impl<E: RegistryEntry> Registry<E> {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry, last in load order.
    ///
    /// # Errors
    ///
    /// [`RegistryError::DuplicateId`] when its id is taken.
    pub fn register(&self, entry: E) -> Result<Arc<E>, RegistryError<E::Id>> {
        self.change(|snapshot| snapshot.register(entry))
    }

    /// Adds entries in their order, all in one step or none.
    ///
    /// # Errors
    ///
    /// [`RegistryError::DuplicateId`] for the first whose id is taken, by another of them too.
    pub fn register_all(
        &self,
        entries: impl IntoIterator<Item = E>,
    ) -> Result<Vec<Arc<E>>, RegistryError<E::Id>> {
        self.change_each(entries, Snapshot::register)
    }

    /// Puts an entry in place of the one with its id, and returns the latter. It keeps its place in load
    /// order.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UnknownId`] when there is none.
    pub fn replace(&self, entry: E) -> Result<Arc<E>, RegistryError<E::Id>> {
        self.change(|snapshot| snapshot.replace(entry))
    }

    /// Puts entries in place of those with their ids, all in one step or none, and returns the latter.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UnknownId`] for the first whose id there is none of.
    pub fn replace_all(
        &self,
        entries: impl IntoIterator<Item = E>,
    ) -> Result<Vec<Arc<E>>, RegistryError<E::Id>> {
        self.change_each(entries, Snapshot::replace)
    }

    /// Takes an entry out and returns it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UnknownId`] when there is none.
    pub fn unregister(&self, id: &E::Id) -> Result<Arc<E>, RegistryError<E::Id>> {
        self.change(|snapshot| snapshot.unregister(id))
    }

    /// Reads the registry as it is now, without copying anything. Writers do not wait for it, but what they
    /// replace meanwhile stays in memory.
    pub fn read<R>(&self, read: impl FnOnce(&Snapshot<E>) -> R) -> R {
        self.current.read(read)
    }

    /// The registry as it is now, to keep.
    pub fn snapshot(&self) -> Snapshot<E> {
        self.read(Snapshot::clone)
    }

    /// The entry of this id.
    pub fn get(&self, id: &E::Id) -> Option<Arc<E>> {
        self.read(|snapshot| snapshot.get(id).cloned())
    }

    /// Whether there is an entry of this id.
    pub fn contains(&self, id: &E::Id) -> bool {
        self.read(|snapshot| snapshot.contains(id))
    }

    /// The ids that have a capability, in load order.
    pub fn find_by_capability(&self, capability: &E::Key) -> Vec<E::Id> {
        self.read(|snapshot| ids(snapshot.find_by_capability(capability)))
    }

    /// The ids that have a capability with this value, or with a list that has it as an element, in load
    /// order.
    pub fn find_by_capability_value(&self, capability: &E::Key, value: &E::Value) -> Vec<E::Id> {
        self.read(|snapshot| ids(snapshot.find_by_capability_value(capability, value)))
    }

    /// The provider of a type: a default one ahead of others, then the highest priority, then the first in
    /// load order.
    pub fn provider(&self, provider_type: &E::Key) -> Option<Provision<E>> {
        self.read(|snapshot| snapshot.provider(provider_type).cloned())
    }

    /// All entries in load order.
    pub fn list(&self) -> Vec<Arc<E>> {
        self.read(|snapshot| snapshot.list().cloned().collect())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.read(Snapshot::len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.read(Snapshot::is_empty)
    }

    /// The number of changes so far.
    pub fn generation(&self) -> u64 {
        self.read(Snapshot::generation)
    }

    /// The changes after `generation`.
    ///
    /// # Errors
    ///
    /// [`ChangesError`] when the generation lies too far back or has not been yet.
    pub fn changed_since(&self, generation: u64) -> Result<RegistryChanges<E::Id>, ChangesError> {
        self.read(|snapshot| snapshot.changed_since(generation))
    }

    fn change_each(
        &self,
        entries: impl IntoIterator<Item = E>,
        change: impl Fn(&mut Snapshot<E>, E) -> Result<Arc<E>, RegistryError<E::Id>>,
    ) -> Result<Vec<Arc<E>>, RegistryError<E::Id>> {
        self.change(|snapshot| {
            entries
                .into_iter()
                .map(|entry| change(snapshot, entry))
                .collect()
        })
    }

    fn change<R>(
        &self,
        change: impl FnOnce(&mut Snapshot<E>) -> Result<R, RegistryError<E::Id>>,
    ) -> Result<R, RegistryError<E::Id>> {
        self.current.try_update(|current| {
            let mut next = current.clone();
            let result = change(&mut next)?;
            Ok((next, result))
        })
    }
}

fn ids<'s, E: RegistryEntry>(entries: impl Iterator<Item = &'s Arc<E>>) -> Vec<E::Id> {
    entries.map(|entry| entry.id().clone()).collect()
}

impl<E: RegistryEntry> Default for Registry<E> {
    fn default() -> Self {
        Self {
            current: Published::default(),
        }
    }
}

impl<E: RegistryEntry> fmt::Debug for Registry<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|snapshot| fmt::Debug::fmt(snapshot, f))
    }
}
