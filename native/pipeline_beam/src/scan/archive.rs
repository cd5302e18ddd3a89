use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};
use zip::read::{OwnedZipFileEntry, ZipArchive, ZipArchiveMetadata, ZipReadOptions};

use super::budget::Budgeted;
use crate::bounded_read::{Bounded, read_bounded};
use crate::digest::{Digest, digest_within};
use crate::error::ReadError;
use crate::limits::Limits;
use crate::module::{Found, open, read_module};

/// The source of an archive's bytes.
pub(super) enum Archive {
    /// The file, opened for each entry. The digest is computed when the first plugin is found.
    File {
        path: PathBuf,
        digest: OnceLock<Result<Digest, io::ErrorKind>>,
    },
    /// A copy in memory, which nobody can change.
    Bytes { bytes: Arc<[u8]>, digest: Digest },
}

/// A module in an `.ez` archive, listed and not yet read.
pub(super) struct Entry {
    archive: Arc<Archive>,
    entry: OwnedZipFileEntry,
}

/// Bytes of an archive's directory to read: for each entry, and on top for the end record, which is
/// searched for in the last 64 KiB of the file.
const DIRECTORY_ENTRY: u64 = 512;
const DIRECTORY_END: u64 = 256 << 10;

/// The `.beam` entries of an archive file, each under the path `archive.ez/inner/x.beam`.
///
/// The number of entries and their declared sizes are checked against the limits before anything is
/// inflated.
pub(super) fn entries(path: &Path, limits: &Limits) -> Result<Vec<(PathBuf, Entry)>, ReadError> {
    let (file, size) = open(path)?;
    check_size(size, limits)?;
    let archive = Archive::File {
        path: path.to_owned(),
        digest: OnceLock::new(),
    };
    list(path, BufReader::new(file), archive, limits)
}

/// The entries of an archive that has been read into memory.
pub(super) fn entries_in_memory(
    path: &Path,
    bytes: Vec<u8>,
    limits: &Limits,
) -> Result<Vec<(PathBuf, Entry)>, ReadError> {
    let digest = crate::digest::digest(&bytes);
    let bytes: Arc<[u8]> = bytes.into();
    let archive = Archive::Bytes {
        bytes: bytes.clone(),
        digest,
    };
    list(path, Cursor::new(bytes), archive, limits)
}

fn check_size(size: u64, limits: &Limits) -> Result<(), ReadError> {
    let limit = limits.archive_file_bytes;
    if size > limit {
        let option = "archive_file_bytes";
        return Err(ReadError::FileTooLarge { limit, option });
    }
    Ok(())
}

fn list(
    path: &Path,
    reader: impl Read + Seek,
    archive: Archive,
    limits: &Limits,
) -> Result<Vec<(PathBuf, Entry)>, ReadError> {
    let directory = directory(reader, limits.archive_entries)?;
    let archive = Arc::new(archive);
    let mut inflated: u64 = 0;
    let mut modules = Vec::new();
    for index in 0..directory.len() {
        let entry = OwnedZipFileEntry::from(directory.entry(index).map_err(ReadError::Archive)?);
        let name = entry.name().map_err(ReadError::Archive)?;
        if entry.is_dir()
            || Path::new(&*name)
                .extension()
                .is_none_or(|ending| ending != "beam")
        {
            continue;
        }
        // Entries may share their bytes, so the file's size says nothing about the sum.
        inflated = inflated.saturating_add(entry.size());
        if inflated > limits.archive_bytes {
            return Err(ReadError::ArchiveTooLarge {
                limit: limits.archive_bytes,
            });
        }
        // A name that starts with a slash stays below the archive's own path.
        let listed = path.join(name.trim_start_matches('/'));
        modules.push((
            listed,
            Entry {
                archive: archive.clone(),
                entry,
            },
        ));
    }
    Ok(modules)
}

fn directory(reader: impl Read + Seek, limit: usize) -> Result<Arc<ZipArchiveMetadata>, ReadError> {
    let granted = DIRECTORY_END.saturating_add(DIRECTORY_ENTRY.saturating_mul(limit as u64));
    let mut reader = Budgeted::new(reader, granted);
    let archive = ZipArchive::new(&mut reader).map(|archive| archive.metadata());
    match archive {
        Ok(archive) if archive.len() <= limit => Ok(archive),
        Ok(_) => Err(ReadError::ArchiveTooManyEntries { limit }),
        Err(_) if reader.exceeded() => Err(ReadError::ArchiveTooManyEntries { limit }),
        Err(error) => Err(ReadError::Archive(error)),
    }
}

impl Archive {
    fn digest(&self, limits: &Limits) -> Result<Digest, ReadError> {
        match self {
            Self::Bytes { digest, .. } => Ok(*digest),
            Self::File { path, digest } => digest
                .get_or_init(|| digest_of_file(path, limits).map_err(|error| error.kind()))
                .map_err(|kind| ReadError::from(io::Error::from(kind))),
        }
    }
}

fn digest_of_file(path: &Path, limits: &Limits) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    // A file that has grown since its size was checked gets another digest, wherever it is cut.
    let mut file = File::open(path)?.take(limits.archive_file_bytes);
    let mut block = vec![0; 64 << 10];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&block[..read]),
        }
    }
}

impl Entry {
    /// Reads the module, as [`read_module`]; its digest is of the archive too.
    pub(super) fn read(&self, limits: &Limits) -> Result<Option<Found>, ReadError> {
        let module = self.bytes(limits)?;
        let Some(found) = read_module(&module, limits)? else {
            return Ok(None);
        };
        let digest = self.digest(&module, limits)?;
        Ok(Some(Found { digest, ..found }))
    }

    /// The digest of the module, whose bytes are given.
    pub(super) fn digest(&self, module: &[u8], limits: &Limits) -> Result<Digest, ReadError> {
        let module = crate::digest::digest(module);
        Ok(digest_within(&self.archive.digest(limits)?, &module))
    }

    /// The module's bytes: no more than the entry declared.
    pub(super) fn bytes(&self, limits: &Limits) -> Result<Vec<u8>, ReadError> {
        match &*self.archive {
            Archive::File { path, .. } => self.inflate(BufReader::new(open(path)?.0), limits),
            Archive::Bytes { bytes, .. } => self.inflate(Cursor::new(bytes), limits),
        }
    }

    fn inflate(&self, mut file: impl Read + Seek, limits: &Limits) -> Result<Vec<u8>, ReadError> {
        let limit = self.entry.size().min(limits.inflated_bytes);
        let reader = self
            .entry
            .as_ref()
            .with_reader(&mut file, ZipReadOptions::new());
        let reader = reader.map_err(ReadError::Archive)?;
        match read_bounded(reader, limit).map_err(|error| ReadError::Archive(error.into()))? {
            Bounded::Whole(bytes) => Ok(bytes),
            Bounded::Beyond => Err(ReadError::InflatedTooLarge { limit }),
        }
    }
}
