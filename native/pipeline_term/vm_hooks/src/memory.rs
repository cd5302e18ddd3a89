//! What is alive of the memory that this library has allocated, which the VM knows nothing of.

use pipeline_alloc::{Counting, live};
use pipeline_term::rustler;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// `{bytes, blocks}`.
#[rustler::nif]
fn memory() -> (i64, i64) {
    let live = live();
    (live.bytes, live.blocks)
}
