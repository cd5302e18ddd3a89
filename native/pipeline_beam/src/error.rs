use std::io;

use thiserror::Error;

use crate::limits::Limits;
use crate::scan::PatternError;
use crate::term::TermError;

/// A path, or a file below it, that could not be read. No such error stops a [`scan`](crate::scan).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing stands at the path.
    #[error("there is no such file or directory; check the path and that the plugin was built")]
    NotFound,
    /// The path is neither a directory nor a file that can hold modules.
    #[error(
        "this is neither a directory nor a .beam file nor an .ez archive; name one of these or a pattern"
    )]
    NotAPluginPath,
    /// A device, a socket or a pipe.
    #[error("this is not a regular file, and reading it could block; give a regular file")]
    NotARegularFile,
    /// A path that is not UTF-8, which no Elixir string can hold.
    #[error("the path is not UTF-8, so nothing is read from it; rename the file or the directory")]
    NotUtf8,
    /// A pattern that does not parse, or is too large.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// More modules than a scan lists.
    #[error(
        "there are more than {limit} files; name the plugins' directories more closely or raise the option `files`"
    )]
    TooManyFiles {
        /// The limit.
        limit: usize,
    },
    /// More directory entries than a scan looks at.
    #[error(
        "the search looks at more than {limit} directory entries; name the plugins' directories more closely, or look for \
         links that lead back up"
    )]
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// Manifests that are too large together.
    #[error(
        "the manifests found have more than {limit} bytes together, so the search ends here; name the plugins' directories \
         more closely"
    )]
    TooManyManifests {
        /// The limit.
        limit: usize,
    },
    /// The operating system refused.
    #[error("reading failed: {0}; check the permissions and the disk")]
    Io(#[source] io::Error),
    /// A gzip file that is damaged.
    #[error("the gzip-compressed file does not inflate: {0}; compile it again")]
    Gzip(#[source] io::Error),
    /// A gzip file is made of many.
    #[error(
        "the file has more than {limit} gzip members, which no compiler writes; compile it again"
    )]
    TooManyGzipMembers {
        /// Members that are read.
        limit: usize,
    },
    /// Compressed content beyond the cap.
    #[error(
        "the content inflates to more than {limit} bytes; raise the limit `inflated_bytes` if you trust the file"
    )]
    InflatedTooLarge {
        /// The limit.
        limit: u64,
    },
    /// A file that is too large.
    #[error(
        "the file has more than {limit} bytes; raise the limit `{option}` if you trust the file"
    )]
    FileTooLarge {
        /// The limit.
        limit: u64,
        /// The field of [`Limits`](crate::Limits) that sets it.
        option: &'static str,
    },
    /// A file that has changed since it was discovered.
    #[error(
        "the file has changed since it was discovered; discover it again and look at its manifest before you load it"
    )]
    Changed,
    /// The file does not start as a BEAM file does.
    #[error(
        "the file is no BEAM file: it does not start with FOR1, a size and BEAM; compile it again"
    )]
    NotABeamFile,
    /// The file ends before its header, a chunk or a table does.
    #[error("the file ends within {what}; it was cut off, compile or copy it again")]
    Truncated {
        /// The part that is cut off.
        what: &'static str,
    },
    /// A chunk larger than allowed.
    #[error(
        "the chunk {chunk} has {size} bytes, and {limit} are allowed; raise the limit `chunk_bytes` if you trust the file"
    )]
    ChunkTooLarge {
        /// The chunk's name.
        chunk: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// More chunks than allowed.
    #[error(
        "the file has more than {limit} chunks, which no compiler writes; compile it again or raise the limit `chunks`"
    )]
    TooManyChunks {
        /// The limit.
        limit: usize,
    },
    /// A chunk that a module with a manifest needs.
    #[error(
        "the module has a manifest but no chunk {chunk}; compile it with OTP 20 or newer and do not strip it"
    )]
    MissingChunk {
        /// The chunk's name.
        chunk: &'static str,
    },
    /// The attributes are not what a compiler writes.
    #[error(
        "the chunk Attr is no list of pairs of an attribute and its values; compile the file again"
    )]
    Attributes,
    /// The manifest attribute is there more than once.
    #[error("the module carries more than one manifest; let it `use Pipeline.Plugin` once")]
    SeveralManifests,
    /// The manifest attribute holds something else than one map.
    #[error(
        "the attribute :pipeline_plugin holds no map; leave writing it to `use Pipeline.Plugin`"
    )]
    ManifestNotAMap,
    /// A manifest of too many bytes.
    #[error(
        "the manifest has {bytes} bytes, and {} are allowed; shorten its description and its capabilities",
        Limits::MANIFEST_BYTES
    )]
    ManifestTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A text of a manifest that is too long.
    #[error("the manifest's {part} has {bytes} bytes, and {limit} are allowed; shorten it")]
    ManifestTextTooLong {
        /// The name of the text.
        part: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A list of a manifest that is too long.
    #[error(
        "the manifest has {count} {part}, and {} are allowed; split the plugin into several",
        Limits::LIST_LENGTH
    )]
    ManifestTooMany {
        /// The name of the list.
        part: &'static str,
        /// How many there are.
        count: usize,
    },
    /// An atom table that does not add up.
    #[error(
        "the atom table does not hold what it announces; the file is damaged, compile it again"
    )]
    AtomTable,
    /// An export table that does not add up.
    #[error(
        "the export table does not hold what it announces; the file is damaged, compile it again"
    )]
    ExportTable,
    /// The attributes or the manifest cannot be decoded.
    #[error(transparent)]
    Term(#[from] TermError),
    /// An archive that cannot be read.
    #[error("the archive cannot be read: {0}; build it again")]
    Archive(#[source] zip::result::ZipError),
    /// An archive with too many entries.
    #[error(
        "the archive has more than {limit} entries, or very long names; raise the limit `archive_entries` if you trust it"
    )]
    ArchiveTooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// An archive whose modules are too large together.
    #[error(
        "the archive's modules inflate to more than {limit} bytes; raise the limit `archive_bytes` if you trust it"
    )]
    ArchiveTooLarge {
        /// The limit.
        limit: u64,
    },
}

impl ReadError {
    /// The case as a name in `snake_case`, stable between versions.
    ///
    /// ```
    /// use pipeline_beam::{Limits, read_module};
    /// let error = read_module(b"#!/bin/sh", &Limits::default()).unwrap_err();
    /// assert_eq!(error.reason(), "not_a_beam_file");
    /// ```
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotAPluginPath => "not_a_plugin_path",
            Self::NotARegularFile => "not_a_regular_file",
            Self::Pattern(_) => "pattern",
            Self::NotUtf8 => "not_utf8",
            Self::TooManyFiles { .. } => "too_many_files",
            Self::TooManyEntries { .. } => "too_many_entries",
            Self::TooManyManifests { .. } => "too_many_manifests",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::Changed => "changed",
            Self::ManifestTooLarge { .. } => "manifest_too_large",
            Self::ManifestTextTooLong { .. } => "manifest_text_too_long",
            Self::ManifestTooMany { .. } => "manifest_too_many",
            Self::Io(_) => "io",
            Self::Gzip(_) => "gzip",
            Self::TooManyGzipMembers { .. } => "too_many_gzip_members",
            Self::InflatedTooLarge { .. } => "inflated_too_large",
            Self::NotABeamFile => "not_a_beam_file",
            Self::Truncated { .. } => "truncated",
            Self::ChunkTooLarge { .. } => "chunk_too_large",
            Self::TooManyChunks { .. } => "too_many_chunks",
            Self::MissingChunk { .. } => "missing_chunk",
            Self::Attributes => "attributes",
            Self::SeveralManifests => "several_manifests",
            Self::ManifestNotAMap => "manifest_not_a_map",
            Self::AtomTable => "atom_table",
            Self::ExportTable => "export_table",
            Self::Term(error) => error.reason(),
            Self::Archive(_) => "archive",
            Self::ArchiveTooManyEntries { .. } => "archive_too_many_entries",
            Self::ArchiveTooLarge { .. } => "archive_too_large",
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::UnexpectedEof => Self::Truncated {
                what: "what it held when it was opened",
            },
            _ => Self::Io(error),
        }
    }
}
