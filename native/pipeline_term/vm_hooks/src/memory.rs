//! The memory that this library has allocated and not freed, which the VM does not count.

use pipeline_alloc::{Counting, live};
use pipeline_term::rustler;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// `{bytes, blocks}` more than at the first call, which begins the count.
#[rustler::nif]
fn memory() -> (i64, i64) {
    let live = live();
    (live.bytes, live.blocks)
}
