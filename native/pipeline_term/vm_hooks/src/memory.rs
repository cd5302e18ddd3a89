//! The memory that this library has allocated and not freed, which the VM does not count.

use std::alloc::System;

use pipeline_term::rustler;
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Live `{bytes, blocks}`.
#[rustler::nif]
fn memory() -> (usize, usize) {
    let Stats {
        allocations,
        deallocations,
        bytes_allocated,
        bytes_deallocated,
        ..
    } = ALLOCATOR.stats();
    // The counters are read one after the other while other threads change them.
    (
        bytes_allocated.saturating_sub(bytes_deallocated),
        allocations.saturating_sub(deallocations),
    )
}
