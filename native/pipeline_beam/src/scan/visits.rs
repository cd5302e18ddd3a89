use std::path::Path;

use crate::error::ReadError;

/// The directory entries that a scan may still look at, counted over all of its paths.
///
/// Through symbolic links a few directories can appear under any number of ever longer paths.
#[derive(Debug)]
pub(super) struct Visits {
    limit: usize,
    left: usize,
}

/// Bytes of a path that cost as much as one entry.
const PATH_BYTES: usize = 256;

impl Visits {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    /// Counts an entry; a long path counts as several.
    pub(super) fn count(&mut self, path: &Path) -> Result<(), ReadError> {
        let cost = 1 + path.as_os_str().len() / PATH_BYTES;
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or_default();
        left.map(|_| ())
            .ok_or(ReadError::TooManyEntries { limit: self.limit })
    }
}
