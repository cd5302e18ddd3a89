use std::fs::File;
use std::io::{self, Read};

use crate::error::ReadError;

/// The result of reading under a cap.
#[derive(Debug)]
pub(crate) enum Bounded {
    /// All of it.
    Whole(Vec<u8>),
    /// There is more than the cap allows.
    Beyond,
}

/// Reads `reader` to its end, or to one byte past `cap`. Memory grows with the bytes that really come,
/// never with what a header promised.
pub(crate) fn read_bounded(reader: impl Read, cap: u64) -> io::Result<Bounded> {
    let mut bytes = Vec::new();
    reader.take(cap.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > cap {
        Bounded::Beyond
    } else {
        Bounded::Whole(bytes)
    })
}

/// All bytes of a file. `option` is the field of [`Limits`](crate::Limits) that sets `limit`.
pub(crate) fn read_whole(
    file: File,
    limit: u64,
    option: &'static str,
) -> Result<Vec<u8>, ReadError> {
    match read_bounded(file, limit)? {
        Bounded::Whole(bytes) => Ok(bytes),
        Bounded::Beyond => Err(ReadError::FileTooLarge { limit, option }),
    }
}
