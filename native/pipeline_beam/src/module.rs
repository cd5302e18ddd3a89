use std::fs::File;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::atom_table::AtomTable;
use crate::attributes::manifest;
use crate::beam_file::BeamFile;
use crate::callbacks::Names;
use crate::digest::{Digest, digest};
use crate::error::ReadError;
use crate::exports::exports;
use crate::file_source::FileSource;
use crate::inflate::{Inflated, inflate};
use crate::limits::Limits;
use crate::source::Source;
use crate::term::Term;

/// A module that carries a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The module's atom as text, for example `"Elixir.My.Plugin"`.
    pub module: String,
    /// The manifest, always a [`Term::Map`].
    pub manifest: Term,
    /// What the module would have to export to be a plugin and does not, by name and arity: those of
    /// [`REQUIRED_CALLBACKS`](crate::REQUIRED_CALLBACKS).
    pub missing_callbacks: Vec<(String, u8)>,
    /// The size of the manifest in external term format.
    pub manifest_bytes: usize,
    /// Of all bytes of the file; with those of its archive where it stands in one.
    pub digest: Digest,
}

/// Reads the manifest from the bytes of a BEAM file, gzip-compressed or not.
///
/// Returns `None` for a module without a manifest, which includes one whose attributes were stripped
/// by `beam_lib:strip/1` (the stripping that Mix does for releases keeps them).
///
/// # Errors
/// Any [`ReadError`] that speaks of the content of a file. A module without a manifest is read as far
/// as its attributes, so damage behind these is not seen.
pub fn read_module(bytes: &[u8], limits: &Limits) -> Result<Option<Found>, ReadError> {
    let mut source = bytes;
    let found = if is_gzip(&mut source)? {
        let limit = limits.inflated_bytes;
        match inflate(MultiGzDecoder::new(bytes), limit).map_err(ReadError::Gzip)? {
            Inflated::Whole(module) => read_source(&mut &module[..], limits)?,
            Inflated::Beyond => return Err(ReadError::InflatedTooLarge { limit }),
        }
    } else {
        read_source(&mut source, limits)?
    };
    Ok(found.map(|found| Found {
        digest: digest(bytes),
        ..found
    }))
}

/// Reads the manifest from a BEAM file. Of one without a manifest that is not compressed, only the chunk headers and
/// the chunks needed are read; any other is read whole, so that manifest and digest are those of the same bytes.
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
    // Opening a pipe would wait for its other end, so the kind is asked for first.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(ReadError::NotARegularFile);
    }
    Ok((File::open(path)?, metadata.len()))
}

/// All bytes of a module's file.
pub(crate) fn whole_module(file: File, limits: &Limits) -> Result<Vec<u8>, ReadError> {
    whole(file, limits.inflated_bytes, "inflated_bytes")
}

/// All bytes of a file, if `limit`, which the option sets, allows so many.
pub(crate) fn whole(file: File, limit: u64, option: &'static str) -> Result<Vec<u8>, ReadError> {
    match inflate(file, limit)? {
        Inflated::Whole(bytes) => Ok(bytes),
        Inflated::Beyond => Err(ReadError::FileTooLarge { limit, option }),
    }
}

fn is_gzip(source: &mut impl Source) -> Result<bool, ReadError> {
    Ok(source.size() > 2 && source.slice(0, 2, "its header")? == [0x1f, 0x8b])
}

/// What the module says; its digest is left for those who hold all of its bytes.
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
