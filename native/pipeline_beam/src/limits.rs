use pipeline_core::requirement::{MAX_REQUIREMENT_BYTES, MAX_VERSION_BYTES};

/// How much reading one file may cost before it is refused.
///
/// The fields bound files, archives and terms. The constants bound a manifest and cannot be set, since the
/// code that reads manifests later relies on them. The defaults leave room for manifests far larger than a
/// person writes, and keep a hostile file to some tens of megabytes and milliseconds.
///
/// ```
/// let limits = pipeline_beam::Limits { depth: 32, ..Default::default() };
/// assert!(limits.nodes > 1_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a module's file, and bytes that anything compressed may inflate to: a gzip file, an archive
    /// entry, a term.
    pub inflated_bytes: u64,
    /// Bytes of one chunk (attributes, atoms, exports) of a BEAM file.
    pub chunk_bytes: u64,
    /// Chunks of one BEAM file that are walked over; compilers write about 20.
    pub chunks: usize,
    /// Values in one term, containers and their elements counted alike.
    pub nodes: usize,
    /// Containers within containers in one term. Values above [`Limits::MAX_DEPTH`] count as that.
    pub depth: usize,
    /// Entries of one archive, whatever their names.
    pub archive_entries: usize,
    /// Bytes that the `.beam` entries of one archive may inflate to together.
    pub archive_bytes: u64,
    /// Bytes of an archive's file.
    pub archive_file_bytes: u64,
}

impl Limits {
    /// The deepest term that is ever built: dropping, comparing and printing a [`Term`](crate::Term)
    /// recurse, and this many levels fit the 328 KiB stack of a dirty scheduler.
    pub const MAX_DEPTH: usize = 128;

    /// Bytes of a manifest in external term format.
    pub const MANIFEST_BYTES: usize = 128 << 10;
    /// Keys of a map in a term. OTP 25 crashes when a thread of the library sends a map of some hundred keys;
    /// up to 32 a map is a plain array.
    pub const MAP_KEYS: usize = 32;
    /// Bytes of an id or a name that is text. An atom has at most 255 characters.
    pub const NAME_BYTES: usize = 255;
    /// Bytes of a version.
    pub const VERSION_BYTES: usize = MAX_VERSION_BYTES;
    /// Bytes of the requirement of a dependency.
    pub const REQUIREMENT_BYTES: usize = MAX_REQUIREMENT_BYTES;
    /// Elements of each list of a manifest: capabilities with providers, dependencies, hooks of all kinds.
    pub const LIST_LENGTH: usize = 1_000;

    pub(crate) fn term_depth(&self) -> usize {
        self.depth.min(Self::MAX_DEPTH)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inflated_bytes: 64 << 20,
            chunk_bytes: 16 << 20,
            chunks: 1_000,
            nodes: 20_000,
            depth: 64,
            archive_entries: 20_000,
            archive_bytes: 512 << 20,
            archive_file_bytes: 256 << 20,
        }
    }
}
