//! Every interleaving of a small number of readers and writers, with loom in place of the atomics of the
//! collector and of the mutex:
//!
//! `RUSTFLAGS="--cfg loom --cfg crossbeam_loom" LOOM_MAX_PREEMPTIONS=2 cargo test -p pipeline_core --release
//! --test published_loom`
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use pipeline_core::published::{Published, pin};

/// Its parts are filled on drop, so that a read after destruction shows.
struct Whole(Vec<usize>);

impl Whole {
    fn part(&self) -> usize {
        assert_eq!(self.0[0], self.0[1]);
        assert_ne!(self.0[0], usize::MAX);
        self.0[0]
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.0.fill(usize::MAX);
    }
}

#[test]
fn a_reader_sees_the_old_value_or_the_new_one() {
    loom::model(|| {
        let published = Arc::new(Published::new(Whole(vec![0, 0])));
        let writer = {
            let published = published.clone();
            thread::spawn(move || published.replace(Whole(vec![1, 1])))
        };
        {
            let pin = pin();
            let first = published.load(&pin);
            let part = first.part();
            let second = published.load(&pin).part();
            assert!(part <= second);
            assert_eq!(first.part(), part);
        }
        writer.join().unwrap();
        assert_eq!(published.read(Whole::part), 1);
    });
}

#[test]
fn two_writers_lose_nothing() {
    loom::model(|| {
        let published = Arc::new(Published::new(Whole(vec![0, 0])));
        let add = |published: &Published<Whole>| {
            published.update(|whole| (Whole(vec![whole.part() + 1; 2]), ()))
        };
        let writer = {
            let published = published.clone();
            thread::spawn(move || add(&published))
        };
        add(&published);
        writer.join().unwrap();
        assert_eq!(published.read(Whole::part), 2);
    });
}
