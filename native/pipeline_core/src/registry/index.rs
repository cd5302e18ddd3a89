use std::hash::Hash;

use imbl::OrdMap;

use super::map::Map;

/// From a key to what is filed under it, each with its place in an order.
#[derive(Clone)]
pub(super) struct Index<K, P, V> {
    files: Map<K, OrdMap<P, V>>,
}

impl<K: Clone + Eq + Hash, P: Clone + Ord, V: Clone> Index<K, P, V> {
    pub(super) fn insert(&mut self, key: K, place: P, value: V) {
        self.files.entry(key).or_default().insert(place, value);
    }

    /// Takes what is filed, and a key with the last of its files.
    pub(super) fn remove(&mut self, key: &K, place: &P) {
        let emptied = self.files.get_mut(key).is_some_and(|file| {
            file.remove(place);
            file.is_empty()
        });
        if emptied {
            self.files.remove(key);
        }
    }

    pub(super) fn under<'s>(&'s self, key: &K) -> impl Iterator<Item = &'s V> + use<'s, K, P, V> {
        let file = self.files.get(key);
        // Most keys have one file, for which a walk through a tree is not worth setting up.
        let only = file.filter(|file| file.len() == 1);
        let many = file.filter(|file| file.len() > 1);
        only.and_then(OrdMap::get_min)
            .map(|(_, value)| value)
            .into_iter()
            .chain(many.into_iter().flat_map(|file| file.values()))
    }
}

impl<K, P, V> Default for Index<K, P, V> {
    fn default() -> Self {
        Self { files: Map::new() }
    }
}
