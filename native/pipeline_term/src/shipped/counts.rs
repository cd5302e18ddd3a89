use super::rate_limit::RateKey;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The counts of `rate_limit`, of a bounded number of keys. Further keys share one count.
#[derive(Clone)]
pub(super) struct Counts(Arc<Shards>);

struct Shards {
    all: Box<[Mutex<Shard>]>,
    /// Keys that a shard has place for.
    most: usize,
    took_others_in: AtomicBool,
}

#[derive(Default)]
struct Shard {
    counts: HashMap<RateKey, Nanos>,
    /// The count of the keys that found no place.
    others: Option<Nanos>,
}

/// Locks that keys are spread over, as long as each has place for so many.
const SHARDS: usize = 16;
const PER_SHARD: usize = 64;

impl Counts {
    /// Counts for `most` keys.
    pub(super) fn new(most: usize) -> Self {
        let shards = (most / PER_SHARD).clamp(1, SHARDS);
        Self(Arc::new(Shards {
            all: (0..shards).map(|_| Mutex::default()).collect(),
            most: most / shards,
            took_others_in: AtomicBool::new(false),
        }))
    }

    /// Whether a key has found no place since this was last asked.
    pub(super) fn took_others_in(&self) -> bool {
        self.0.took_others_in.load(Ordering::Relaxed)
            && self.0.took_others_in.swap(false, Ordering::Relaxed)
    }
}

impl StateStore for Counts {
    type Key = RateKey;

    fn measure_and_replace<T, F, E>(&self, key: &RateKey, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let place = usize::try_from(key[0]).unwrap_or(0) % self.0.all.len();
        let mut shard = self.0.all[place].lock();
        let Shard { counts, others } = &mut *shard;
        let room = counts.len() < self.0.most;
        match counts.entry(*key) {
            Entry::Occupied(mut entry) => {
                let (measured, next) = measure(Some(*entry.get()))?;
                entry.insert(next);
                Ok(measured)
            }
            Entry::Vacant(entry) if room => {
                let (measured, next) = measure(None)?;
                entry.insert(next);
                Ok(measured)
            }
            Entry::Vacant(_) => {
                self.0.took_others_in.store(true, Ordering::Relaxed);
                let (measured, next) = measure(*others)?;
                *others = Some(next);
                Ok(measured)
            }
        }
    }
}

impl ShrinkableKeyedStateStore<RateKey> for Counts {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.0.all {
            shard.lock().counts.retain(|_, count| *count > drop_below);
        }
    }

    fn len(&self) -> usize {
        self.0
            .all
            .iter()
            .map(|shard| shard.lock().counts.len())
            .sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
