//! Reads plugin manifests from BEAM files without loading them.
//!
//! An Elixir module that is a plugin carries its manifest as the persisted attribute
//! [`MANIFEST_ATTRIBUTE`]. [`read_module`] and [`read_file`] find it in one file, [`scan`] in all
//! files of directories, patterns and `.ez` archives, in parallel. No code is loaded, and no atom is
//! made: names are text throughout.
//!
//! Every file is treated as hostile. The reader does not recurse into nested data, allocates nothing on
//! the word of a length field, and checks [`Limits`] before it builds or inflates anything. A file that
//! cannot be read is a [`ReadError`] with the reason; it does not stop a scan.
//!
//! ```
//! use pipeline_beam::{Limits, Term, decode};
//!
//! // term_to_binary(#{version => <<"1.0.0">>})
//! let bytes = b"\x83t\0\0\0\x01w\x07versionm\0\0\0\x051.0.0";
//! let manifest = decode(bytes, &Limits::default())?;
//! assert_eq!(manifest.get("version"), Some(&Term::Binary((*b"1.0.0").into())));
//! # Ok::<(), pipeline_beam::TermError>(())
//! ```
#![forbid(unsafe_code)]

mod atom_table;
mod attributes;
mod beam_file;
mod bounded_read;
mod bounds;
mod callbacks;
mod digest;
mod error;
mod escape;
mod exports;
mod limits;
mod module;
mod scan;
mod source;
mod term;

pub use attributes::MANIFEST_ATTRIBUTE;
pub use bounds::check_manifest;
pub use callbacks::REQUIRED_CALLBACKS;
pub use digest::Digest;
pub use error::ReadError;
pub use escape::Escaped;
pub use limits::Limits;
pub use module::{Found, read_file, read_module};
pub use scan::{Code, FoundFile, PatternError, Progress, Scan, ScanOptions, read_code, scan};
pub use term::{Opaque, Term, TermError, decode};
