//! One value that many threads read while one replaces it.
//!
//! This is the only file of the crate with `unsafe` in it. The argument:
//!
//! - `current` always holds a pointer that came from `Owned::new` of a `T` and that nobody has scheduled for
//!   destruction. It is set at construction and changes only in [`Published::try_update`], which swaps a new pointer
//!   in first and schedules the old one afterwards. So whoever loads it gets a live `T`.
//! - A reader loads it after it pinned the default collector, and [`Pin`] can be had only from that collector. A value
//!   scheduled for destruction is destroyed once every thread that was pinned at the time has let go. A reader that
//!   saw the old pointer was pinned before the swap, so that its value lives as long as the pin.
//! - The reference a reader gets borrows both the pin and the `Published`. So the latter cannot be dropped while the
//!   reference lives, and `drop`, which has the value to itself, may free it at once.
//! - Writers are serialised by a mutex. So the value a writer reads is the one it replaces, and no value is scheduled
//!   twice. The release half of the swap, with the acquire of the load, makes the new value whole to whoever sees it.
//! - A value is destroyed on whichever thread happens to collect, hence `T: Send`, and read from many, hence `Sync`.
//!
//! `tests/published.rs` runs it under miri; `tests/published_loom.rs` runs this file and the collector itself under
//! loom (`--cfg loom --cfg crossbeam_loom`).

mod atomics;

use std::fmt;
use std::sync::atomic::Ordering;

use crossbeam_epoch::{self as epoch, Atomic, Owned};

use atomics::Mutex;

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

/// One value, read without a lock and replaced as a whole.
///
/// Readers do one atomic load; they never wait, and never make a writer wait. Writers take turns. A reader sees one
/// value for as long as it holds on to it, whatever writers do meanwhile.
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
    current: Atomic<T>,
    writer: Mutex<()>,
}

impl<T: Send + Sync + 'static> Published<T> {
    /// Publishes a first value.
    pub fn new(value: T) -> Self {
        Self {
            current: Atomic::new(value),
            writer: Mutex::new(()),
        }
    }

    /// The value as it is now, to be read for as long as the pin is held.
    #[inline]
    pub fn load<'p>(&'p self, pin: &'p Pin) -> &'p T {
        let current = self.current.load(Ordering::Acquire, &pin.guard);
        // SAFETY: `current` is never null and, under a pin of the default collector, not destroyed while the
        // reference lives (see the head of this file).
        unsafe { current.deref() }
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
    /// Other writers wait meanwhile. A `change` that writes to the same `Published` deadlocks; one that panics changes
    /// nothing.
    pub fn update<R>(&self, change: impl FnOnce(&T) -> (T, R)) -> R {
        let result = self.try_update(|current| Ok::<_, std::convert::Infallible>(change(current)));
        result.unwrap_or_else(|never| match never {})
    }

    /// As [`Published::update`], for a `change` that may refuse.
    ///
    /// # Errors
    ///
    /// What `change` returned; the current value stays.
    pub fn try_update<R, E>(&self, change: impl FnOnce(&T) -> Result<(T, R), E>) -> Result<R, E> {
        let turn = self.writer.lock();
        let pin = pin();
        let (value, result) = change(self.load(&pin))?;
        let old = self
            .current
            .swap(Owned::new(value), Ordering::AcqRel, &pin.guard);
        // SAFETY: `old` came from `Owned::new`, and since the swap no thread that pins from now on can load it. This
        // writer alone swapped it out, so that it is scheduled once.
        unsafe { pin.guard.defer_destroy(old) };
        drop(turn);
        // Old values are few and may be large: do not wait until a bag of them is full.
        pin.guard.flush();
        Ok(result)
    }
}

impl<T: Send + Sync + 'static> Drop for Published<T> {
    fn drop(&mut self) {
        let current = std::mem::replace(&mut self.current, Atomic::null());
        // SAFETY: nobody else has a reference to `self`, thus none to its value either, and the pointer came from
        // `Owned::new`.
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
