//! One value that many threads read while one replaces it.
//!
//! This is the only file of the crate with `unsafe` in it. The argument:
//!
//! - `current` always holds a pointer that came from `Owned::new` of a `Slot` and of which nobody has a
//!   `Half`. It is set at construction and changes only in [`Published::try_update`], which swaps a new
//!   pointer in first and makes the halves of the old one afterwards. So whoever loads it gets a live value.
//! - A slot is destroyed when both of its halves are dropped: one by the writer that replaced it, the other
//!   by a function that this writer defers to the collector. Which of them is the second, an atomic swap
//!   decides: exactly one sees that the other was there before, and what the other did before happened before
//!   what it does now.
//! - A reader loads the pointer after it pinned the default collector, and [`Pin`] can be had only from that
//!   collector. A deferred function is called once every thread that was pinned at the time has let go. A
//!   reader that saw the old pointer was pinned before the swap, so that the collector's half, and with it
//!   the value, lives as long as the pin.
//! - The reference a reader gets borrows both the pin and the `Published`. So the latter cannot be dropped
//!   while the reference lives, and `drop`, which has the value to itself, may free it at once.
//! - Writers are serialised by a mutex. So the value a writer reads is the one it replaces, and no value gets
//!   halves twice. The release half of the swap, with the acquire of the load, makes the new value whole to
//!   whoever sees it.
//! - A value is destroyed on whichever thread drops the second half, hence `T: Send`, and read from many,
//!   hence `Sync`.
//!
//! `tests/published.rs` and `tests/published_freed.rs` run it under miri; `tests/published_loom.rs` runs this
//! file and the collector itself under loom (`--cfg loom --cfg crossbeam_loom`).

mod atomics;

use std::fmt;
use std::hint::spin_loop;
use std::sync::atomic::Ordering;

use crossbeam_epoch::{self as epoch, Atomic, Owned};
use crossbeam_utils::CachePadded;

use atomics::{AtomicBool, Mutex};

/// A pinned epoch: values read under it outlive their replacement.
///
/// Holding one for long keeps every value replaced meanwhile in memory, of all [`Published`] in the process.
pub struct Pin {
    guard: epoch::Guard,
}

/// Pins the current epoch. It costs a few nanoseconds and may be nested.
#[inline]
pub fn pin() -> Pin {
    Pin {
        guard: epoch::pin(),
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin").finish_non_exhaustive()
    }
}

/// How often a writer asks the collector to go on until nobody can read the value that it replaced, each time
/// after a pause of twice the length. Twice do where nobody reads; who is in the middle of a run is gone a
/// moment later. All pauses together come to some 10 µs.
const PATIENCE: u32 = if cfg!(loom) { 2 } else { 8 };

/// One value, read without a lock and replaced as a whole.
///
/// Readers do one atomic load; they never wait. Writers take turns. A reader sees one value for as long as it
/// holds on to it, whatever writers do meanwhile.
///
/// Destroying what was replaced is the writer's work: it does so before it returns, unless somebody who was
/// pinned at the time still is some 10 µs later. Then the value goes after that, on whichever thread pins
/// often enough.
///
/// ```
/// use pipeline_core::published::{Published, pin};
///
/// let limits = Published::new(vec![10, 20]);
/// let pin = pin();
/// let seen = limits.load(&pin);
/// limits.replace(vec![30]);
/// assert_eq!(seen, &[10, 20]);
/// assert_eq!(limits.load(&pin), &[30]);
/// ```
pub struct Published<T: Send + Sync + 'static> {
    /// On a cache line of its own: readers are disturbed only by a new value, not by the mutex or what the
    /// owner has beside it.
    current: CachePadded<Atomic<Slot<T>>>,
    writer: Mutex<()>,
}

#[repr(align(64))]
struct Slot<T> {
    value: T,
    /// Whether one of the halves is gone.
    halved: AtomicBool,
}

impl<T> Slot<T> {
    fn new(value: T) -> Self {
        Self {
            value,
            halved: AtomicBool::new(false),
        }
    }
}

/// One of the two halves of a slot that was replaced.
struct Half<T>(*mut Slot<T>);

impl<T> Half<T> {
    /// Whether the other half is gone.
    fn is_last(&self) -> bool {
        // SAFETY: the slot lives as long as one of its halves.
        unsafe { &*self.0 }.halved.load(Ordering::Acquire)
    }
}

impl<T> Drop for Half<T> {
    fn drop(&mut self) {
        // SAFETY: the slot lives as long as one of its halves, and this one does.
        if unsafe { &*self.0 }.halved.swap(true, Ordering::AcqRel) {
            // SAFETY: the other half is gone, so that nobody else has the slot, which came from `Owned::new`.
            drop(unsafe { Owned::from_raw(self.0) });
        }
    }
}

impl<T: Send + Sync + 'static> Published<T> {
    /// Publishes a first value.
    pub fn new(value: T) -> Self {
        Self {
            current: CachePadded::new(Atomic::new(Slot::new(value))),
            writer: Mutex::new(()),
        }
    }

    /// The value as it is now, to be read for as long as the pin is held.
    #[inline]
    pub fn load<'p>(&'p self, pin: &'p Pin) -> &'p T {
        let current = self.current.load(Ordering::Acquire, &pin.guard);
        // SAFETY: `current` is never null and, under a pin of the default collector, not destroyed while the
        // reference lives (see the head of this file).
        &unsafe { current.deref() }.value
    }

    /// Reads the value under a pin of its own.
    #[inline]
    pub fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(self.load(&pin()))
    }

    /// Publishes another value in place of the current one.
    pub fn replace(&self, value: T) {
        self.update(|_| (value, ()));
    }

    /// Publishes what `change` makes of the current value, and hands its second result back.
    ///
    /// Other writers wait meanwhile. A `change` that writes to the same `Published` deadlocks; one that
    /// panics changes nothing.
    pub fn update<R>(&self, change: impl FnOnce(&T) -> (T, R)) -> R {
        let result = self.try_update(|current| Ok::<_, std::convert::Infallible>(change(current)));
        result.unwrap_or_else(|never| match never {})
    }

    /// As [`Published::update`], for a `change` that may refuse.
    ///
    /// # Errors
    ///
    /// The error of `change`; the current value stays.
    pub fn try_update<R, E>(&self, change: impl FnOnce(&T) -> Result<(T, R), E>) -> Result<R, E> {
        let turn = self.writer.lock();
        let pin = pin();
        let (value, result) = change(self.load(&pin))?;
        let old = self
            .current
            .swap(Owned::new(Slot::new(value)), Ordering::AcqRel, &pin.guard)
            .as_raw()
            .cast_mut();
        let (half, others) = (Half(old), Half(old));
        // SAFETY: `old` came from `Owned::new`, since the swap no thread that pins from now on can load it,
        // and this writer alone swapped it out, so that there are these two halves only. `T` is `Send`: any
        // thread may call the function.
        unsafe { pin.guard.defer_unchecked(move || drop(others)) };
        drop(pin);
        drop(turn);
        for attempt in 0..PATIENCE {
            epoch::pin().flush();
            if half.is_last() {
                break;
            }
            // Each attempt takes a cache line from every reader.
            (0..1 << attempt).for_each(|_| spin_loop());
        }
        Ok(result)
    }
}

impl<T: Send + Sync + 'static> Drop for Published<T> {
    fn drop(&mut self) {
        let current = std::mem::replace(&mut *self.current, Atomic::null());
        // SAFETY: nobody else has a reference to `self`, thus none to its slot either, and the pointer came
        // from `Owned::new`.
        drop(unsafe { current.into_owned() });
    }
}

impl<T: Send + Sync + fmt::Debug + 'static> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|value| f.debug_tuple("Published").field(value).finish())
    }
}

impl<T: Send + Sync + Default + 'static> Default for Published<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
