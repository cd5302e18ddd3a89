use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// A count that many threads add to at once.
///
/// The first threads that ask have a cache line each, to which nobody else writes: adding is a load and a
/// store, and no count is lost. The others share one.
pub(crate) struct ShardedCounter {
    own: Box<[CachePadded<AtomicU64>]>,
    shared: AtomicU64,
}

impl ShardedCounter {
    pub(crate) fn new() -> Self {
        // Schedulers, and as many dirty ones.
        let threads = available_parallelism().map_or(1, usize::from) * 2;
        Self {
            own: std::iter::repeat_with(CachePadded::default)
                .take(threads)
                .collect(),
            shared: AtomicU64::new(0),
        }
    }

    /// Adds one, and returns what this thread, or those that share a place, had counted before.
    #[inline]
    pub(crate) fn add(&self) -> u64 {
        if let Some(count) = self.own.get(place()) {
            let before = count.load(Ordering::Relaxed);
            count.store(before + 1, Ordering::Relaxed);
            before
        } else {
            self.shared.fetch_add(1, Ordering::Relaxed)
        }
    }

    /// The sum over all threads.
    pub(crate) fn sum(&self) -> u64 {
        let own = self.own.iter().map(|count| &**count);
        own.chain([&self.shared])
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

/// The place of this thread, which no other has had or will have.
#[inline]
fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const NONE: usize = usize::MAX;
    thread_local! {
        static PLACE: Cell<usize> = const { Cell::new(NONE) };
    }
    PLACE.with(|place| {
        if place.get() == NONE {
            place.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        place.get()
    })
}

#[cfg(test)]
mod tests {
    use super::ShardedCounter;

    #[test]
    fn no_count_is_lost_among_more_threads_than_have_a_place() {
        let counter = ShardedCounter::new();
        let threads = counter.own.len() + 3;
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        counter.add();
                    }
                });
            }
        });
        assert_eq!(counter.sum(), 10_000 * threads as u64);
    }

    #[test]
    fn a_thread_is_told_what_it_had_counted() {
        let counter = ShardedCounter::new();
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!([counter.add(), counter.add()], [0, 1]));
        });
    }
}
