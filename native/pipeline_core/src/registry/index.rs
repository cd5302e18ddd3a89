use std::hash::Hash;

use imbl::OrdMap;

use super::Map;

/// From a key to what is filed under it, each with its place in an order.
#[derive(Clone)]
pub(super) struct Index<K, P, V> {
    files: Map<K, File<P, V>>,
}

/// Most keys have one file, for which a tree is not worth its memory.
#[derive(Clone)]
enum File<P, V> {
    One(P, V),
    Many(OrdMap<P, V>),
}

impl<K: Clone + Eq + Hash, P: Clone + Ord, V: Clone> Index<K, P, V> {
    pub(super) fn insert(&mut self, key: K, place: P, value: V) {
        let Some(file) = self.files.get_mut(&key) else {
            self.files.insert(key, File::One(place, value));
            return;
        };
        match file {
            File::Many(files) => {
                files.insert(place, value);
            }
            File::One(other, first) if *other != place => {
                let first = (other.clone(), first.clone());
                *file = File::Many(OrdMap::from_iter([first, (place, value)]));
            }
            File::One(_, only) => *only = value,
        }
    }

    /// Takes what is filed, and a key with the last of its files.
    pub(super) fn remove(&mut self, key: &K, place: &P) {
        let Some(file) = self.files.get_mut(key) else {
            return;
        };
        let emptied = match file {
            File::One(only, _) => only == place,
            File::Many(files) => {
                files.remove(place);
                if let (1, Some((place, value))) = (files.len(), files.get_min()) {
                    *file = File::One(place.clone(), value.clone());
                }
                false
            }
        };
        if emptied {
            self.files.remove(key);
        }
    }

    pub(super) fn under<'s>(&'s self, key: &K) -> impl Iterator<Item = &'s V> + use<'s, K, P, V> {
        let (only, many) = match self.files.get(key) {
            Some(File::One(_, value)) => (Some(value), None),
            Some(File::Many(files)) => (None, Some(files)),
            None => (None, None),
        };
        only.into_iter()
            .chain(many.into_iter().flat_map(|files| files.values()))
    }
}

impl<K, P, V> Default for Index<K, P, V> {
    fn default() -> Self {
        Self { files: Map::new() }
    }
}
