use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zip::read::{OwnedZipFileEntry, ZipArchive, ZipArchiveMetadata, ZipReadOptions};

use super::budget::Budgeted;
use crate::error::ReadError;
use crate::inflate::{Inflated, inflate};
use crate::limits::Limits;
use crate::module::{Found, read_module};

/// A module in an `.ez` archive, listed and not yet read.
pub(super) struct Entry {
    archive: Arc<Path>,
    entry: OwnedZipFileEntry,
}

/// Bytes of an archive's directory that one entry is granted, and that are granted besides: the end
/// record is searched in the last 64 KiB of the file.
const DIRECTORY_ENTRY: u64 = 512;
const DIRECTORY_END: u64 = 256 << 10;

/// The `.beam` entries of an archive, each under the path `archive.ez/inner/x.beam`.
///
/// The entries' number and the sizes that they declare are held against the limits before anything
/// is inflated.
pub(super) fn entries(path: &Path, limits: &Limits) -> Result<Vec<(PathBuf, Entry)>, ReadError> {
    let archive = open(path, limits.archive_entries)?;
    let shared: Arc<Path> = path.into();
    let mut inflated: u64 = 0;
    let mut modules = Vec::new();
    for index in 0..archive.len() {
        let entry = OwnedZipFileEntry::from(archive.entry(index).map_err(ReadError::Archive)?);
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
                archive: shared.clone(),
                entry,
            },
        ));
    }
    Ok(modules)
}

fn open(path: &Path, limit: usize) -> Result<Arc<ZipArchiveMetadata>, ReadError> {
    let granted = DIRECTORY_END.saturating_add(DIRECTORY_ENTRY.saturating_mul(limit as u64));
    let mut reader = Budgeted::new(BufReader::new(File::open(path)?), granted);
    let archive = ZipArchive::new(&mut reader).map(|archive| archive.metadata());
    match archive {
        Ok(archive) if archive.len() <= limit => Ok(archive),
        Ok(_) => Err(ReadError::ArchiveTooManyEntries { limit }),
        Err(_) if reader.exceeded() => Err(ReadError::ArchiveTooManyEntries { limit }),
        Err(error) => Err(ReadError::Archive(error)),
    }
}

impl Entry {
    /// Reads the module, as [`read_module`]. It inflates to no more than the entry declared.
    pub(super) fn read(&self, limits: &Limits) -> Result<Option<Found>, ReadError> {
        let mut file = BufReader::new(File::open(&self.archive)?);
        let limit = self.entry.size().min(limits.inflated_bytes);
        let reader = self
            .entry
            .as_ref()
            .with_reader(&mut file, ZipReadOptions::new());
        let reader = reader.map_err(ReadError::Archive)?;
        match inflate(reader, limit).map_err(|error| ReadError::Archive(error.into()))? {
            Inflated::Whole(bytes) => read_module(&bytes, limits),
            Inflated::Beyond => Err(ReadError::InflatedTooLarge { limit }),
        }
    }
}
