use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use super::listing::{Item, Listing};
use super::{Progress, ScanOptions};
use crate::error::ReadError;
use crate::module::Found;

/// The result of a scan.
#[derive(Debug, Default)]
pub struct Scan {
    /// The modules with a manifest, sorted by path.
    pub found: Vec<FoundFile>,
    /// The paths and files that could not be read, each with the reason, sorted by path.
    pub unreadable: Vec<(PathBuf, ReadError)>,
}

/// A module with a manifest, and its path.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundFile {
    /// The file; of a module in an archive `archive.ez/inner/x.beam`.
    pub path: PathBuf,
    /// The module and its manifest.
    pub found: Found,
}

/// Stack of a reading thread, in bytes. Inflating needs some tens of kilobytes and nothing here recurses.
const STACK: usize = 1 << 20;

/// Modules that are read before their total size is checked.
const BATCH: usize = 256;

/// Reads all modules below `paths`, in parallel on threads of its own.
///
/// A path is one of
/// - a directory: its own `.beam` files and `.ez` archives, the modules in its `ebin` and in `*/ebin`
///   below it. So an `ebin`, an application and a directory of applications can all be given;
/// - a `.beam` file, or an `.ez` archive, of which all modules are read;
/// - a pattern of `*`, `?`, `[…]`, `{a,b}` and `**`, whose matches are taken as the above.
///
/// The result depends on the files only, not on the order or the number of threads. A module that
/// several paths lead to is read once, if it has the same path each time.
///
/// `progress` is called after each module, from the reading threads and maybe several at once. Each
/// number up to the total is reported once.
///
/// # Panics
/// If `progress` does.
///
/// ```
/// use pipeline_beam::{ScanOptions, scan};
///
/// let scan = scan(&["no/such/dir"], &ScanOptions::default(), |_| ());
/// assert!(scan.found.is_empty());
/// assert_eq!(scan.unreadable[0].1.reason(), "not_found");
/// ```
pub fn scan<P: AsRef<Path>>(
    paths: &[P],
    options: &ScanOptions,
    progress: impl Fn(Progress) + Sync,
) -> Scan {
    let Listing {
        items, unreadable, ..
    } = Listing::new(paths, options);
    let mut scan = Scan {
        unreadable,
        ..Scan::default()
    };
    let (total, done) = (items.len(), AtomicUsize::new(0));
    let read = |item: Item| {
        let outcome = item.read(options);
        progress(Progress {
            done: done.fetch_add(1, Ordering::Relaxed) + 1,
            total,
        });
        (item.path, outcome)
    };
    let pool = ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .stack_size(STACK)
        .thread_name(|index| format!("pipeline-beam-{index}"))
        .build();
    let mut items = items.into_iter();
    let limit = options.manifest_bytes;
    let mut left = Some(limit);
    while left.is_some() {
        let batch: Vec<_> = items.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        let outcomes: Vec<_> = match &pool {
            Ok(pool) => pool.install(|| batch.into_par_iter().map(read).collect()),
            // The system gives no more threads: slower is better than not at all.
            Err(_) => batch.into_iter().map(read).collect(),
        };
        for (path, outcome) in outcomes {
            let outcome = outcome.and_then(|found| within(found, &mut left, limit));
            match outcome {
                Ok(Some(found)) => scan.found.push(FoundFile { path, found }),
                Ok(None) => {}
                Err(error) => scan.unreadable.push((path, error)),
            }
        }
    }
    scan.unreadable.sort_by(|one, other| one.0.cmp(&other.0));
    scan
}

/// The module, if its manifest fits into what is left for all; nothing is left once one does not.
fn within(
    found: Option<Found>,
    left: &mut Option<usize>,
    limit: usize,
) -> Result<Option<Found>, ReadError> {
    if let Some(found) = &found {
        *left = left.and_then(|left| left.checked_sub(found.manifest_bytes));
        if left.is_none() {
            return Err(ReadError::TooManyManifests { limit });
        }
    }
    Ok(found)
}
