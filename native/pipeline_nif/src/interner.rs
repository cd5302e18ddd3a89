//! Values by number, each of them once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use rustler::NifResult;
use rustler::sys::ErlNifTerm;

/// Values in the order in which they were first seen, found again by a key.
pub(crate) struct Interner<K, V> {
    all: Vec<V>,
    by_key: HashMap<K, u32, RandomState>,
}

impl<K, V> Default for Interner<K, V> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            by_key: HashMap::default(),
        }
    }
}

impl<K: Eq + Hash, V> Interner<K, V> {
    /// The number of a key's value, which is made if it is new.
    pub(crate) fn number(&mut self, key: K, make: impl FnOnce() -> NifResult<V>) -> NifResult<u32> {
        match self.by_key.entry(key) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(new) => {
                let number = u32::try_from(self.all.len()).map_err(|_| rustler::Error::BadArg)?;
                self.all.push(make()?);
                Ok(*new.insert(number))
            }
        }
    }

    /// All values by number.
    pub(crate) fn all(&self) -> &[V] {
        &self.all
    }
}

/// The values made of a few recent terms, by their words.
pub(crate) struct TermCache<T> {
    slots: [Option<(ErlNifTerm, T)>; SLOTS],
    hasher: RandomState,
}

const SLOTS: usize = 16;

impl<T> Default for TermCache<T> {
    fn default() -> Self {
        Self {
            slots: [const { None }; SLOTS],
            hasher: RandomState::default(),
        }
    }
}

impl<T: Copy> TermCache<T> {
    pub(crate) fn get(&self, word: ErlNifTerm) -> Option<T> {
        let (known, value) = self.slots[self.slot(word)]?;
        (known == word).then_some(value)
    }

    pub(crate) fn put(&mut self, word: ErlNifTerm, value: T) {
        self.slots[self.slot(word)] = Some((word, value));
    }

    fn slot(&self, word: ErlNifTerm) -> usize {
        usize::try_from(self.hasher.hash_one(word) % SLOTS as u64).unwrap_or(0)
    }
}
