//! Reading all modules below a list of paths.
//!
//! A scan first lists, then reads. [`listing`] turns paths into items, one per module; it uses
//! [`pattern`] for wildcards and [`archive`] for `.ez` files, and counts its steps with [`visits`].
//! [`run`] reads the items in parallel. So the total is known before the first module is read, and the
//! modules of an archive are spread over the threads like files. [`code`] reads a module again to load it.

mod archive;
mod budget;
mod code;
mod listing;
mod options;
mod pattern;
mod run;
mod visits;

pub use code::{Code, read_code};
pub use options::{Progress, ScanOptions};
pub use pattern::PatternError;
pub use run::{FoundFile, Scan, scan};
