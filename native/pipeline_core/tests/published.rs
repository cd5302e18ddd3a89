//! A published value is read whole, while writers replace it without pause. Small enough for miri.
#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use pipeline_core::published::{Published, pin};

const REPLACEMENTS: usize = if cfg!(miri) { 60 } else { 20_000 };
const READERS: usize = 3;

/// A value that is torn or dead as soon as its parts differ; counts how many of its kind live.
struct Whole {
    parts: Vec<usize>,
    living: Arc<AtomicUsize>,
}

impl Whole {
    fn new(part: usize, living: &Arc<AtomicUsize>) -> Self {
        living.fetch_add(1, Ordering::SeqCst);
        Self {
            parts: vec![part; 16],
            living: living.clone(),
        }
    }

    fn part(&self) -> usize {
        assert!(
            self.parts.iter().all(|&part| part == self.parts[0]),
            "torn: {:?}",
            self.parts
        );
        self.parts[0]
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.parts.fill(usize::MAX);
        self.living.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn readers_see_whole_values_in_the_order_of_writing() {
    let living = Arc::new(AtomicUsize::new(0));
    let published = Published::new(Whole::new(0, &living));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    let pin = pin();
                    let seen = published.load(&pin);
                    let part = seen.part();
                    assert!(part >= last);
                    last = part;
                    // It stays whole while it is held, whatever is published meanwhile.
                    thread::yield_now();
                    assert_eq!(seen.part(), part);
                }
            });
        }
        for part in 1..=REPLACEMENTS {
            published.replace(Whole::new(part, &living));
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(published.read(Whole::part), REPLACEMENTS);
}

#[test]
fn no_update_is_lost_between_writers() {
    let published = Published::new(0_usize);
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                for _ in 0..REPLACEMENTS {
                    published.update(|&count| (count + 1, ()));
                }
            });
        }
    });
    assert_eq!(published.read(|&count| count), READERS * REPLACEMENTS);
}

#[test]
fn old_values_are_destroyed() {
    let living = Arc::new(AtomicUsize::new(0));
    let published = Published::new(Whole::new(0, &living));
    for part in 1..=REPLACEMENTS {
        published.replace(Whole::new(part, &living));
    }
    // Destruction lags behind by a few epochs, not by the number of replacements. Pins of other tests hold it
    // up.
    let bounded = (0..1_000_000).any(|_| {
        published.update(|whole| (Whole::new(whole.part(), &living), ()));
        thread::yield_now();
        living.load(Ordering::SeqCst) <= 10
    });
    assert!(bounded, "{} values live", living.load(Ordering::SeqCst));
}

#[test]
fn a_refused_update_changes_nothing() {
    let published = Published::new(7);
    let refused = published.try_update(|&value| {
        if value > 5 {
            Err("too much")
        } else {
            Ok((value + 1, ()))
        }
    });
    assert_eq!(refused, Err("too much"));
    assert_eq!(published.read(|&value| value), 7);
}

#[test]
fn a_panicking_update_changes_nothing_and_frees_the_turn() {
    let published = Published::new(7);
    let panicked = thread::scope(|scope| {
        scope
            .spawn(|| published.update(|_| -> (i32, ()) { panic!("on purpose") }))
            .join()
    });
    assert!(panicked.is_err());
    published.replace(8);
    assert_eq!(published.read(|&value| value), 8);
}

#[test]
fn the_last_value_is_dropped_with_its_owner() {
    let living = Arc::new(AtomicUsize::new(0));
    drop(Published::new(Whole::new(1, &living)));
    assert_eq!(living.load(Ordering::SeqCst), 0);
}
