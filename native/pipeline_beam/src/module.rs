use std::fs::File;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::atom_table::AtomTable;
use crate::attributes::manifest;
use crate::beam_file::BeamFile;
use crate::callbacks::Names;
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
    if is_gzip(&mut source)? {
        return read_gzip(bytes, limits);
    }
    read_source(&mut source, limits)
}

/// Reads the manifest from a BEAM file. Of one that is not compressed only the chunk headers and the
/// chunks needed are read.
///
/// # Errors
/// As [`read_module`]; also [`ReadError::NotFound`], [`ReadError::NotARegularFile`] and
/// [`ReadError::Io`].
pub fn read_file(path: &Path, limits: &Limits) -> Result<Option<Found>, ReadError> {
    // Opening a pipe would wait for its other end, so the kind is asked for first.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(ReadError::NotARegularFile);
    }
    let mut source = FileSource::new(File::open(path)?, metadata.len());
    if !is_gzip(&mut source)? {
        return read_source(&mut source, limits);
    }
    read_gzip(source.into_file()?, limits)
}

fn is_gzip(source: &mut impl Source) -> Result<bool, ReadError> {
    Ok(source.size() > 2 && source.slice(0, 2, "its header")? == [0x1f, 0x8b])
}

fn read_gzip(compressed: impl std::io::Read, limits: &Limits) -> Result<Option<Found>, ReadError> {
    let limit = limits.inflated_bytes;
    match inflate(MultiGzDecoder::new(compressed), limit).map_err(ReadError::Gzip)? {
        Inflated::Whole(bytes) => read_source(&mut &bytes[..], limits),
        Inflated::Beyond => Err(ReadError::InflatedTooLarge { limit }),
    }
}

fn read_source(source: &mut impl Source, limits: &Limits) -> Result<Option<Found>, ReadError> {
    let file = BeamFile::open(source, limits)?;
    let Some(attributes) = file.attributes(source, limits)? else {
        return Ok(None);
    };
    let Some(manifest) = manifest(attributes, limits)? else {
        return Ok(None);
    };
    let names = Names::new(AtomTable::new(file.atoms(source, limits)?)?)?;
    let missing_callbacks = names.missing(exports(file.exports(source, limits)?)?);
    Ok(Some(Found {
        module: names.module,
        manifest,
        missing_callbacks,
    }))
}
