use std::ops::Sub;

use crate::tally;

/// How much more is alive than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Bytes, as they were asked for.
    pub bytes: i64,
    /// Allocations that have not been given back.
    pub blocks: i64,
}

impl Sub for Live {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            bytes: self.bytes - before.bytes,
            blocks: self.blocks - before.blocks,
        }
    }
}

/// How much more is alive, of all that [`Counting`](crate::Counting) hands out, than when this was first
/// called, which begins the count: less, where what was there by then has gone. Always zero where it is not
/// the allocator.
///
/// Exact as long as nobody allocates meanwhile.
#[must_use]
pub fn live() -> Live {
    let (bytes, blocks) = tally::sum();
    Live { bytes, blocks }
}
