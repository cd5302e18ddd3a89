use std::io::{self, Read, Seek, SeekFrom};

/// A reader that gives out so many bytes and no more, counted over all seeks.
///
/// A zip reader holds the whole directory of an archive in memory before it tells how many entries
/// there are. What it may read bounds what it can build, and how often it can start over.
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

    /// Whether more was asked for than there was.
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
