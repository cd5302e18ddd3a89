//! Reading all modules below a list of paths.
//!
//! A scan lists first and reads then: [`listing`] turns paths into items, one per module, with
//! [`pattern`] for wildcards and [`archive`] for what is in `.ez` files; [`run`] reads the items in
//! parallel. The total is so known before the first module is read, and an archive's modules are
//! spread over the threads like files. [`code`] reads a module again when it is to be loaded.

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
