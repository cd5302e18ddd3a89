//! Bytes and blocks, by thread. What one thread allocates another frees, so that the count of one may be
//! negative.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

/// Whether somebody has asked. A thread-local variable of a library that was loaded while the program ran
/// takes 7 ns, which nobody else is to pay.
static COUNTING: AtomicBool = AtomicBool::new(false);

/// The first threads that ask have a line each, to which nobody else writes: counting is a load and a store.
/// Schedulers are the first. The others share one.
static OWN: [CachePadded<Tally>; 64] = [const { CachePadded::new(Tally::new()) }; 64];
static SHARED: Tally = Tally::new();

struct Tally {
    bytes: AtomicI64,
    blocks: AtomicI64,
}

impl Tally {
    const fn new() -> Self {
        Self {
            bytes: AtomicI64::new(0),
            blocks: AtomicI64::new(0),
        }
    }
}

#[inline]
pub(crate) fn came(size: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        count(signed(size), 1);
    }
}

#[inline]
pub(crate) fn went(size: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        count(-signed(size), -1);
    }
}

#[inline]
pub(crate) fn resized(from: usize, to: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        count(signed(to) - signed(from), 0);
    }
}

/// The counts of all threads, from the first call on.
pub(crate) fn sum() -> (i64, i64) {
    COUNTING.store(true, Ordering::Relaxed);
    OWN.iter()
        .map(|own| &**own)
        .chain([&SHARED])
        .fold((0, 0), |sum, line| {
            (
                sum.0 + line.bytes.load(Ordering::Relaxed),
                sum.1 + line.blocks.load(Ordering::Relaxed),
            )
        })
}

/// No size of a layout is above `isize::MAX`.
#[inline]
fn signed(size: usize) -> i64 {
    size.cast_signed() as i64
}

#[inline(never)]
fn count(bytes: i64, blocks: i64) {
    if let Some(line) = OWN.get(place()) {
        add(&line.bytes, bytes);
        add(&line.blocks, blocks);
    } else {
        SHARED.bytes.fetch_add(bytes, Ordering::Relaxed);
        SHARED.blocks.fetch_add(blocks, Ordering::Relaxed);
    }
}

/// To a figure that only this thread changes.
#[inline]
fn add(figure: &AtomicI64, change: i64) {
    figure.store(figure.load(Ordering::Relaxed) + change, Ordering::Relaxed);
}

/// The place of this thread, which no other has had or will have. Without a destructor, so that a thread that
/// ends counts to the last.
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
