use crate::Failure;
use crate::failure::Part;

/// The memory of a guest while one of its imports is served. It counts the bytes that go in and out.
#[derive(Debug)]
pub(crate) struct GuestMemory<'m> {
    bytes: &'m mut [u8],
    moved: u64,
}

impl<'m> GuestMemory<'m> {
    pub(super) fn new(bytes: &'m mut [u8]) -> Self {
        Self { bytes, moved: 0 }
    }

    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// What a pointer and a length stand for.
    pub(crate) fn at(
        &mut self,
        what: Part,
        pointer: u32,
        length: u32,
    ) -> Result<&mut [u8], Failure> {
        self.moved += u64::from(length);
        let start = pointer as usize;
        let end = start.checked_add(length as usize);
        let part = end.and_then(|end| self.bytes.get_mut(start..end));
        part.ok_or(Failure::Pointer {
            what,
            pointer,
            length,
        })
    }

    /// The text that a pointer and a length stand for.
    pub(crate) fn text(&mut self, what: Part, pointer: u32, length: u32) -> Result<&str, Failure> {
        let bytes = self.at(what, pointer, length)?;
        std::str::from_utf8(bytes).map_err(|_| Failure::Text { what })
    }
}
