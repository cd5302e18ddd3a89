//! The allocator. This is the only file of the crate with `unsafe` in it. The argument: every call is handed
//! on to [`System`] as it came and its answer handed back as it is, so that what the caller promises is what
//! `System` asks for, and what `System` promises is what the caller gets. Counting neither allocates nor
//! panics.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::tally;

/// The system's allocator, with what is alive counted.
///
/// A library makes it its own by `#[global_allocator]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counting;

// SAFETY: see the top of the file.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that `System` asks for.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            tally::came(layout.size());
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            tally::came(layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; all blocks are `System`'s.
        unsafe { System.dealloc(block, layout) };
        tally::went(layout.size());
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            tally::resized(layout.size(), size);
        }
        moved
    }
}
