use std::fs::File;
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::atom_table::AtomTable;
use crate::attributes::manifest;
use crate::beam_file::BeamFile;
use crate::bounded_read::{Bounded, read_bounded, read_whole};
use crate::callbacks::Names;
use crate::digest::{Digest, digest};
use crate::error::ReadError;
use crate::exports::exports;
use crate::limits::Limits;
use crate::source::{FileSource, Source};
use crate::term::Term;

/// A module that carries a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The module's atom as text, for example `"Elixir.My.Plugin"`.
    pub module: String,
    /// The manifest, always a [`Term::Map`].
    pub manifest: Term,
    /// The functions of [`REQUIRED_CALLBACKS`](crate::REQUIRED_CALLBACKS) that the module does not
    /// export, by name and arity.
    pub missing_callbacks: Vec<(String, u8)>,
    /// The size of the manifest in external term format.
    pub manifest_bytes: usize,
    /// SHA-256 of the file's bytes; for a module in an archive, of the archive and the module.
    pub digest: Digest,
}

/// Reads the manifest from the bytes of a BEAM file, gzip-compressed or not.
///
/// Returns `None` for a module without a manifest. That includes a module whose attributes were
/// stripped by `beam_lib:strip/1`; the stripping that Mix does for releases keeps them.
///
/// # Errors
/// Any [`ReadError`] about the content of a file. Reading a module without a manifest ends at its
/// attributes, so damage after these is not reported.
pub fn read_module(bytes: &[u8], limits: &Limits) -> Result<Option<Found>, ReadError> {
    let mut source = bytes;
    let found = if is_gzip(&mut source)? {
        read_source(&mut &gunzip(bytes, limits.inflated_bytes)?[..], limits)?
    } else {
        read_source(&mut source, limits)?
    };
    Ok(found.map(|found| Found {
        digest: digest(bytes),
        ..found
    }))
}

/// Members of a gzip file. Compilers write one; each costs some microseconds, however little is in it.
const GZIP_MEMBERS: usize = 16;

fn gunzip(mut bytes: &[u8], limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut module = Vec::new();
    for _ in 0..GZIP_MEMBERS {
        let mut member = GzDecoder::new(bytes);
        let left = limit.saturating_sub(module.len() as u64);
        match read_bounded(&mut member, left).map_err(ReadError::Gzip)? {
            Bounded::Whole(content) => module.extend(content),
            Bounded::Beyond => return Err(ReadError::InflatedTooLarge { limit }),
        }
        bytes = member.into_inner();
        if bytes.is_empty() {
            return Ok(module);
        }
    }
    Err(ReadError::TooManyGzipMembers {
        limit: GZIP_MEMBERS,
    })
}

/// Reads the manifest from a BEAM file.
///
/// Of an uncompressed file without a manifest only the chunk headers and the attributes are read. Any
/// other file is read whole, so that manifest and digest come from the same bytes.
///
/// # Errors
/// As [`read_module`]; also [`ReadError::NotFound`], [`ReadError::NotARegularFile`] and
/// [`ReadError::Io`].
pub fn read_file(path: &Path, limits: &Limits) -> Result<Option<Found>, ReadError> {
    let (file, size) = open(path)?;
    let mut source = FileSource::new(file, size);
    if !is_gzip(&mut source)? && read_source(&mut source, limits)?.is_none() {
        return Ok(None);
    }
    read_module(&whole_module(source.into_file()?, limits)?, limits)
}

/// The file and its size.
pub(crate) fn open(path: &Path) -> Result<(File, u64), ReadError> {
    // Opening a pipe would block until its other end opens.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(ReadError::NotARegularFile);
    }
    Ok((File::open(path)?, metadata.len()))
}

/// All bytes of a module's file.
pub(crate) fn whole_module(file: File, limits: &Limits) -> Result<Vec<u8>, ReadError> {
    read_whole(file, limits.inflated_bytes, "inflated_bytes")
}

fn is_gzip(source: &mut impl Source) -> Result<bool, ReadError> {
    Ok(source.size() > 2 && source.slice(0, 2, "its header")? == [0x1f, 0x8b])
}

/// Reads the module. The caller fills in the digest, since it holds all bytes.
fn read_source(source: &mut impl Source, limits: &Limits) -> Result<Option<Found>, ReadError> {
    let file = BeamFile::open(source, limits)?;
    let Some(attributes) = file.attributes(source, limits)? else {
        return Ok(None);
    };
    let Some((manifest, manifest_bytes)) = manifest(attributes, limits)? else {
        return Ok(None);
    };
    let names = Names::new(AtomTable::new(file.atoms(source, limits)?)?)?;
    let missing_callbacks = names.missing(exports(file.exports(source, limits)?)?);
    Ok(Some(Found {
        module: names.module,
        manifest,
        missing_callbacks,
        manifest_bytes,
        digest: Digest::default(),
    }))
}
