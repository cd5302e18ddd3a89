use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;

use super::Map;
use super::history::History;
use super::index::Index;
use super::provider::{Rank, rank};
use super::{ChangesError, Provision, RegistryChanges, RegistryEntry, RegistryError};

/// A registry as it was at one moment. Cloning one is cheap, whatever its size.
pub struct Snapshot<E: RegistryEntry> {
    /// By id, with the place in load order.
    entries: Map<E::Id, (u64, Arc<E>)>,
    load_order: OrdMap<u64, Arc<E>>,
    capabilities: Index<E::Key, u64, Arc<E>>,
    values: Index<(E::Key, E::Value), u64, Arc<E>>,
    providers: Index<E::Key, Rank, Provision<E>>,
    history: History<E::Id>,
    next_place: u64,
}

impl<E: RegistryEntry> Snapshot<E> {
    /// The number of changes that led to this snapshot.
    pub fn generation(&self) -> u64 {
        self.history.generation()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is an entry of this id.
    pub fn contains(&self, id: &E::Id) -> bool {
        self.entries.contains_key(id)
    }

    /// The entry of this id.
    pub fn get(&self, id: &E::Id) -> Option<&Arc<E>> {
        self.entries.get(id).map(|(_, entry)| entry)
    }

    /// All entries in load order: the order of registration, in which a replaced entry keeps its place.
    pub fn list(&self) -> impl Iterator<Item = &Arc<E>> {
        self.load_order.values()
    }

    /// The entries that have a capability, in load order.
    pub fn find_by_capability<'s>(
        &'s self,
        capability: &E::Key,
    ) -> impl Iterator<Item = &'s Arc<E>> + use<'s, E> {
        self.capabilities.under(capability)
    }

    /// The entries that have a capability with this value, or with a list that has it as an element, in load
    /// order.
    pub fn find_by_capability_value<'s>(
        &'s self,
        capability: &E::Key,
        value: &E::Value,
    ) -> impl Iterator<Item = &'s Arc<E>> + use<'s, E> {
        self.values.under(&(capability.clone(), value.clone()))
    }

    /// The provider of a type: a default one ahead of others, then the highest priority, then the first in
    /// load order.
    pub fn provider(&self, provider_type: &E::Key) -> Option<&Provision<E>> {
        self.providers(provider_type).next()
    }

    /// All providers of a type, the preferred first.
    pub fn providers<'s>(
        &'s self,
        provider_type: &E::Key,
    ) -> impl Iterator<Item = &'s Provision<E>> + use<'s, E> {
        self.providers.under(provider_type)
    }

    /// The changes after `generation`.
    ///
    /// # Errors
    ///
    /// [`ChangesError`] when the generation lies too far back or has not been yet.
    pub fn changed_since(&self, generation: u64) -> Result<RegistryChanges<E::Id>, ChangesError> {
        self.history.since(generation, |id| self.contains(id))
    }

    pub(crate) fn register(&mut self, entry: E) -> Result<Arc<E>, RegistryError<E::Id>> {
        if self.contains(entry.id()) {
            return Err(RegistryError::DuplicateId(entry.id().clone()));
        }
        let place = self.next_place;
        self.next_place += 1;
        Ok(self.file(place, entry))
    }

    pub(crate) fn replace(&mut self, entry: E) -> Result<Arc<E>, RegistryError<E::Id>> {
        let (place, old) = self.known(entry.id())?;
        // Most replacements are found as before, and filed over what they replace.
        if !(old.capabilities().eq(entry.capabilities()) && old.providers().eq(entry.providers())) {
            self.unfile(place, &old);
        }
        self.file(place, entry);
        Ok(old)
    }

    pub(crate) fn unregister(&mut self, id: &E::Id) -> Result<Arc<E>, RegistryError<E::Id>> {
        let (place, entry) = self.known(id)?;
        self.unfile(place, &entry);
        self.entries.remove(id);
        self.load_order.remove(&place);
        self.history.record(id.clone());
        Ok(entry)
    }

    fn known(&self, id: &E::Id) -> Result<(u64, Arc<E>), RegistryError<E::Id>> {
        self.entries
            .get(id)
            .cloned()
            .ok_or_else(|| RegistryError::UnknownId(id.clone()))
    }

    fn file(&mut self, place: u64, entry: E) -> Arc<E> {
        let entry = Arc::new(entry);
        for (capability, values) in entry.capabilities() {
            for value in values {
                self.values
                    .insert((capability.clone(), value), place, entry.clone());
            }
            self.capabilities.insert(capability, place, entry.clone());
        }
        for (declaration, (provider_type, provider)) in entry.providers().enumerate() {
            let provision = Provision {
                entry: entry.clone(),
                declaration,
            };
            self.providers
                .insert(provider_type, rank(provider, place, declaration), provision);
        }
        self.entries
            .insert(entry.id().clone(), (place, entry.clone()));
        self.load_order.insert(place, entry.clone());
        self.history.record(entry.id().clone());
        entry
    }

    fn unfile(&mut self, place: u64, entry: &E) {
        for (capability, values) in entry.capabilities() {
            self.capabilities.remove(&capability, &place);
            for value in values {
                self.values.remove(&(capability.clone(), value), &place);
            }
        }
        for (declaration, (provider_type, provider)) in entry.providers().enumerate() {
            self.providers
                .remove(&provider_type, &rank(provider, place, declaration));
        }
    }
}

impl<E: RegistryEntry> Default for Snapshot<E> {
    fn default() -> Self {
        Self {
            entries: Map::new(),
            load_order: OrdMap::new(),
            capabilities: Index::default(),
            values: Index::default(),
            providers: Index::default(),
            history: History::default(),
            next_place: 0,
        }
    }
}

impl<E: RegistryEntry> Clone for Snapshot<E> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            load_order: self.load_order.clone(),
            capabilities: self.capabilities.clone(),
            values: self.values.clone(),
            providers: self.providers.clone(),
            history: self.history.clone(),
            next_place: self.next_place,
        }
    }
}

impl<E: RegistryEntry> fmt::Debug for Snapshot<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&E::Id> = self.list().map(|entry| entry.id()).collect();
        f.debug_struct("Snapshot")
            .field("generation", &self.generation())
            .field("ids", &ids)
            .finish_non_exhaustive()
    }
}
