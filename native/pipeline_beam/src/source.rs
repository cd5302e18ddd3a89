use crate::error::ReadError;

/// Bytes that can be read at any offset: a slice, or a file of which only parts are ever read.
pub(crate) trait Source {
    /// All bytes there are.
    fn size(&self) -> u64;

    /// `length` bytes from `offset`. What lies beyond the end is [`ReadError::Truncated`] in `what`.
    fn slice(&mut self, offset: u64, length: u64, what: &'static str) -> Result<&[u8], ReadError>;
}

impl Source for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn slice(&mut self, offset: u64, length: u64, what: &'static str) -> Result<&[u8], ReadError> {
        let start = usize::try_from(offset).ok();
        let end = offset
            .checked_add(length)
            .and_then(|end| usize::try_from(end).ok());
        let slice = start.zip(end).and_then(|(start, end)| self.get(start..end));
        slice.ok_or(ReadError::Truncated { what })
    }
}
