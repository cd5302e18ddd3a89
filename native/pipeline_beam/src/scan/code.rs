use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::archive::entries_in_memory;
use crate::bounded_read::read_whole;
use crate::digest::{Digest, digest};
use crate::error::ReadError;
use crate::limits::Limits;
use crate::module::{open, whole_module};

/// The code of a plugin that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The bytes of its module.
    pub module: Vec<u8>,
    /// The other modules in the same directory of the same archive, sorted by path. Empty for a plugin in a
    /// file of its own.
    pub beside: Vec<(PathBuf, Vec<u8>)>,
}

/// Reads the code of a plugin that a scan found at `path` with the digest `found`.
///
/// The limits are those of a scan. An archive is read once, and compared before any other module in it
/// is unpacked.
///
/// # Errors
/// [`ReadError::Changed`] if the file or the archive is not the one that was found; otherwise as for
/// [`scan`](crate::scan).
pub fn read_code(path: &Path, found: &Digest, limits: &Limits) -> Result<Code, ReadError> {
    match archive_of(path) {
        None => {
            let module = whole_module(open(path)?.0, limits)?;
            same(&digest(&module), found)?;
            let beside = Vec::new();
            Ok(Code { module, beside })
        }
        Some(archive) => from_archive(archive, path, found, limits),
    }
}

fn from_archive(
    archive: &Path,
    path: &Path,
    found: &Digest,
    limits: &Limits,
) -> Result<Code, ReadError> {
    let bytes = read_whole(
        open(archive)?.0,
        limits.archive_file_bytes,
        "archive_file_bytes",
    )?;
    let mut entries = entries_in_memory(archive, bytes, limits)?;
    let at = entries.iter().position(|(listed, _)| listed == path);
    let (_, entry) = entries.remove(at.ok_or(ReadError::NotFound)?);
    let module = entry.bytes(limits)?;
    same(&entry.digest(&module, limits)?, found)?;

    let mut beside = Vec::new();
    for (listed, entry) in entries {
        if listed.parent() == path.parent() && listed != path {
            beside.push((listed, entry.bytes(limits)?));
        }
    }
    beside.sort();
    beside.dedup_by(|one, other| one.0 == other.0);
    Ok(Code { module, beside })
}

fn same(read: &Digest, found: &Digest) -> Result<(), ReadError> {
    if read == found {
        Ok(())
    } else {
        Err(ReadError::Changed)
    }
}

/// The archive that a path leads into: the topmost `.ez` file among its parents.
fn archive_of(path: &Path) -> Option<&Path> {
    let above: Vec<&Path> = path.ancestors().skip(1).collect();
    let is_archive = |path: &&Path| path.extension() == Some(OsStr::new("ez")) && path.is_file();
    above.into_iter().rev().find(is_archive)
}
