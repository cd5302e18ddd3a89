use crate::error::ReadError;
use crate::limits::Limits;
use crate::source::Source;

/// Where a chunk's data stands in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    offset: u64,
    size: u64,
}

/// The chunks that discovery reads, as a walk over the chunk headers finds them.
///
/// A BEAM file is an IFF form: `FOR1`, its size, `BEAM`, then chunks of a name, a size and data padded
/// to four bytes. Compilers write `Attr` after the two others, so the walk mostly ends there.
#[derive(Debug, Default)]
pub(crate) struct BeamFile {
    atoms: Option<Extent>,
    exports: Option<Extent>,
    attributes: Option<Extent>,
}

const HEADER: u64 = 12;

impl BeamFile {
    pub(crate) fn open(source: &mut impl Source, limits: &Limits) -> Result<Self, ReadError> {
        let (magic, form) = header(source)?;
        if &magic != b"FOR1" {
            return Err(ReadError::NotABeamFile);
        }
        if source.slice(8, 4, "its header")? != b"BEAM" {
            return Err(ReadError::NotABeamFile);
        }
        // The form's size counts what follows it, "BEAM" included.
        let end = 8 + u64::from(form);
        if end > source.size() {
            return Err(ReadError::Truncated { what: "its chunks" });
        }
        let mut found = Self::default();
        let mut at = HEADER;
        let mut walked = 0;
        while at < end && !found.complete() {
            if walked == limits.chunks {
                return Err(ReadError::TooManyChunks { limit: walked });
            }
            walked += 1;
            if end - at < 8 {
                return Err(ReadError::Truncated {
                    what: "a chunk header",
                });
            }
            let (name, size) = chunk_header(source, at)?;
            let extent = Extent {
                offset: at + 8,
                size: size.into(),
            };
            if extent.size > end - extent.offset {
                return Err(ReadError::Truncated { what: "a chunk" });
            }
            match &name {
                b"AtU8" => found.atoms.get_or_insert(extent),
                b"ExpT" => found.exports.get_or_insert(extent),
                b"Attr" => found.attributes.get_or_insert(extent),
                _ => &extent,
            };
            at = extent.offset + extent.size.next_multiple_of(4);
        }
        Ok(found)
    }

    fn complete(&self) -> bool {
        self.atoms.is_some() && self.exports.is_some() && self.attributes.is_some()
    }

    /// The attributes; `None` in a file stripped of them.
    pub(crate) fn attributes<'s>(
        &self,
        source: &'s mut impl Source,
        limits: &Limits,
    ) -> Result<Option<&'s [u8]>, ReadError> {
        self.attributes
            .map(|extent| data(extent, "Attr", source, limits))
            .transpose()
    }

    /// The atom table.
    pub(crate) fn atoms<'s>(
        &self,
        source: &'s mut impl Source,
        limits: &Limits,
    ) -> Result<&'s [u8], ReadError> {
        let extent = self
            .atoms
            .ok_or(ReadError::MissingChunk { chunk: "AtU8" })?;
        data(extent, "AtU8", source, limits)
    }

    /// The export table.
    pub(crate) fn exports<'s>(
        &self,
        source: &'s mut impl Source,
        limits: &Limits,
    ) -> Result<&'s [u8], ReadError> {
        let extent = self
            .exports
            .ok_or(ReadError::MissingChunk { chunk: "ExpT" })?;
        data(extent, "ExpT", source, limits)
    }
}

fn data<'s>(
    extent: Extent,
    chunk: &'static str,
    source: &'s mut impl Source,
    limits: &Limits,
) -> Result<&'s [u8], ReadError> {
    let Extent { offset, size } = extent;
    if size > limits.chunk_bytes {
        return Err(ReadError::ChunkTooLarge {
            chunk,
            size,
            limit: limits.chunk_bytes,
        });
    }
    source.slice(offset, size, "a chunk")
}

/// The first eight bytes; a file too short for them is no BEAM file.
fn header(source: &mut impl Source) -> Result<([u8; 4], u32), ReadError> {
    if source.size() < 8 {
        return Err(ReadError::NotABeamFile);
    }
    chunk_header(source, 0)
}

fn chunk_header(source: &mut impl Source, at: u64) -> Result<([u8; 4], u32), ReadError> {
    let [a, b, c, d, size @ ..] = source.slice(at, 8, "a chunk header")? else {
        return Err(ReadError::Truncated {
            what: "a chunk header",
        });
    };
    let size = <[u8; 4]>::try_from(size).map_err(|_| ReadError::Truncated {
        what: "a chunk header",
    })?;
    Ok(([*a, *b, *c, *d], u32::from_be_bytes(size)))
}
