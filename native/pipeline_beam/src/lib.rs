//! Reads plugin manifests from BEAM files without loading them.
//!
//! An Elixir module that is a plugin carries its manifest as the persisted attribute
//! [`MANIFEST_ATTRIBUTE`]. [`read_module`] and [`read_file`] find it in one file, [`scan`] in all
//! files of directories, patterns and `.ez` archives, in parallel. No code is loaded, and no atom is
//! made: names are text throughout.
//!
//! Files are taken as hostile. Nothing recurses into what a file describes, no length is believed
//! before the bytes are there, and [`Limits`] bounds what may be built and inflated. What cannot be
//! read is a [`ReadError`] that says why; it never ends a scan.
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
mod bounds;
mod callbacks;
mod digest;
mod error;
mod escape;
mod exports;
mod file_source;
mod inflate;
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
