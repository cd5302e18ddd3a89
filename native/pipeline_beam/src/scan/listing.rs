use std::collections::HashSet;
use std::fs::{DirEntry, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

use super::ScanOptions;
use super::archive::{Entry, entries};
use super::pattern::{expand, is_pattern};
use super::visits::Visits;
use crate::error::ReadError;
use crate::module::{Found, read_file};

/// A module to read.
pub(super) struct Item {
    pub(super) path: PathBuf,
    /// The archive entry, if the module is in an archive.
    entry: Option<Entry>,
}

impl Item {
    pub(super) fn read(&self, options: &ScanOptions) -> Result<Option<Found>, ReadError> {
        match &self.entry {
            None => read_file(&self.path, &options.limits),
            Some(entry) => entry.read(&options.limits),
        }
    }
}

/// The modules that a list of paths leads to.
pub(super) struct Listing<'o> {
    options: &'o ScanOptions,
    /// The modules, each path once.
    pub(super) items: Vec<Item>,
    /// The paths that could not be listed, each with the reason.
    pub(super) unreadable: Vec<(PathBuf, ReadError)>,
    listed: HashSet<PathBuf>,
    visits: Visits,
}

impl<'o> Listing<'o> {
    /// Lists the modules below `paths`, sorted.
    pub(super) fn new<P: AsRef<Path>>(paths: &[P], options: &'o ScanOptions) -> Self {
        let mut listing = Self {
            options,
            items: Vec::new(),
            unreadable: Vec::new(),
            listed: HashSet::new(),
            visits: Visits::new(options.entries),
        };
        for path in paths.iter().map(AsRef::as_ref) {
            if let Err(error) = listing.given(path) {
                listing.unreadable.push((path.to_owned(), error));
            }
        }
        listing
            .items
            .sort_by(|one, other| one.path.cmp(&other.path));
        listing
    }

    /// Records an error of `path` and goes on; a limit of the whole scan ends it instead.
    fn report(
        &mut self,
        path: &Path,
        list: impl FnOnce(&mut Self) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        match list(self) {
            Err(error @ (ReadError::TooManyFiles { .. } | ReadError::TooManyEntries { .. })) => {
                Err(error)
            }
            Err(error) => {
                self.unreadable.push((path.to_owned(), error));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// A path as the caller gave it. A file of that literal name wins over the pattern.
    fn given(&mut self, path: &Path) -> Result<(), ReadError> {
        if path.to_str().is_none() {
            return Err(ReadError::NotUtf8);
        }
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.directory(path),
            Ok(_) if has_ending(path, "beam") => self.module(path.to_owned(), None),
            Ok(_) if has_ending(path, "ez") => self.archive(path),
            Ok(_) => Err(ReadError::NotAPluginPath),
            Err(_) if is_pattern(path) => self.pattern(path),
            Err(error) => Err(error.into()),
        }
    }

    /// Skips matches that hold no modules, such as a README beside the plugins.
    fn pattern(&mut self, pattern: &Path) -> Result<(), ReadError> {
        for path in expand(pattern, &mut self.visits)? {
            if path.is_dir() || has_ending(&path, "beam") || has_ending(&path, "ez") {
                self.report(&path, |listing| listing.given(&path))?;
            }
        }
        Ok(())
    }

    /// The directory's own modules and archives, and those in `ebin` and in `*/ebin` below it. So it can
    /// be an `ebin`, an application or a directory of applications. It goes no deeper.
    fn directory(&mut self, path: &Path) -> Result<(), ReadError> {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let (name, path) = (entry.file_name(), entry.path());
            self.visits.count(&path)?;
            if has_ending(&path, "beam") {
                self.module(path, None)?;
            } else if may_be_directory(&entry) {
                let ebin = if name == "ebin" {
                    path
                } else {
                    path.join("ebin")
                };
                self.report(&ebin, |listing| listing.ebin(&ebin))?;
            } else if has_ending(&path, "ez") {
                self.report(&path, |listing| listing.archive(&path))?;
            }
        }
        Ok(())
    }

    fn ebin(&mut self, path: &Path) -> Result<(), ReadError> {
        for entry in open_if_directory(path)?.into_iter().flatten() {
            let path = entry?.path();
            self.visits.count(&path)?;
            if has_ending(&path, "beam") {
                self.module(path, None)?;
            }
        }
        Ok(())
    }

    fn archive(&mut self, path: &Path) -> Result<(), ReadError> {
        for (path, entry) in entries(path, &self.options.limits)? {
            self.module(path, Some(entry))?;
        }
        Ok(())
    }

    fn module(&mut self, path: PathBuf, entry: Option<Entry>) -> Result<(), ReadError> {
        if self.listed.contains(&path) {
            return Ok(());
        }
        if path.to_str().is_none() {
            self.unreadable.push((path, ReadError::NotUtf8));
            return Ok(());
        }
        let limit = self.options.files;
        if self.items.len() >= limit {
            return Err(ReadError::TooManyFiles { limit });
        }
        self.listed.insert(path.clone());
        self.items.push(Item { path, entry });
        Ok(())
    }
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found == ending)
}

/// A link may lead to a directory; opening it will tell.
fn may_be_directory(entry: &DirEntry) -> bool {
    entry
        .file_type()
        .is_ok_and(|kind| kind.is_dir() || (kind.is_symlink() && !has_ending(&entry.path(), "ez")))
}

/// The directory's content, `None` where there is none to list.
fn open_if_directory(path: &Path) -> Result<Option<ReadDir>, ReadError> {
    match std::fs::read_dir(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            // A link to itself: the plugin that it stands for is missing.
            _ => Err(error.into()),
        },
    }
}
