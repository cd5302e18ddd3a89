use std::io::{self, Read, Seek, SeekFrom};

/// A reader with a budget of bytes, counted over all seeks.
///
/// A zip reader loads the whole directory of an archive before it says how many entries there are. The
/// budget bounds its memory, and how often it can start over.
pub(super) struct Budgeted<R> {
    inner: R,
    left: u64,
    exceeded: bool,
}

impl<R> Budgeted<R> {
    pub(super) fn new(inner: R, bytes: u64) -> Self {
        Self {
            inner,
            left: bytes,
            exceeded: false,
        }
    }

    /// Whether a read asked for more bytes than the budget had.
    pub(super) fn exceeded(&self) -> bool {
        self.exceeded
    }
}

impl<R: Read> Read for Budgeted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !buffer.is_empty() {
            self.exceeded = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let allowed = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.inner.read(&mut buffer[..allowed])?;
        self.left -= read as u64;
        Ok(read)
    }
}

impl<R: Seek> Seek for Budgeted<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.inner.seek(position)
    }
}
