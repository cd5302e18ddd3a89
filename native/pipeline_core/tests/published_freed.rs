//! When replaced values are destroyed. A program of its own, with one test: a pin of any other thread would
//! hold it up.
#![cfg(not(loom))]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;

use pipeline_core::published::{Published, pin};

/// Counts how many of its kind live.
struct Living(Arc<AtomicUsize>);

impl Living {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_value_is_destroyed_by_its_writer_or_after_its_last_reader() {
    let count = Arc::new(AtomicUsize::new(0));
    let living = || count.load(Ordering::SeqCst);
    let published = Published::new(Living::new(&count));
    for _ in 0..100 {
        published.replace(Living::new(&count));
        assert_eq!(living(), 1, "nobody read what was replaced");
    }

    let pinned = Barrier::new(2);
    let (leave, left) = channel::<()>();
    thread::scope(|scope| {
        let (published, pinned) = (&published, &pinned);
        scope.spawn(move || {
            let pin = pin();
            let seen = published.load(&pin);
            pinned.wait();
            left.recv().unwrap();
            assert_eq!(seen.0.load(Ordering::SeqCst), 3);
        });
        pinned.wait();
        published.replace(Living::new(&count));
        published.replace(Living::new(&count));
        assert_eq!(living(), 3, "a reader is there");
        leave.send(()).unwrap();
    });

    // No writer comes any more: readers of whatever it may be do it.
    let freed = (0..1_000_000).any(|_| {
        drop(pin());
        living() == 1
    });
    assert!(freed, "{} values live", living());
}
