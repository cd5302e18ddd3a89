use thiserror::Error;

use crate::limits::Limits;

/// Bytes that are not a readable term.
///
/// Offsets count bytes from the start of the term, after inflation if it was compressed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TermError {
    /// The bytes end within a value.
    #[error(
        "the term ends at byte {at}, where {needed} more bytes belong; the file was cut off, compile it again"
    )]
    Truncated {
        /// The offset at which the value is cut off.
        at: usize,
        /// How many bytes are missing at least.
        needed: usize,
    },
    /// The first byte is not that of the external term format.
    #[error(
        "the term starts with byte {version}, not 131; the chunk holds no external term, compile the file again"
    )]
    Version {
        /// The byte found.
        version: u8,
    },
    /// A tag that the format does not have, or that has no place in a file.
    #[error(
        "byte {at} is no tag of the external term format: {tag}; the file is damaged or newer than this reader"
    )]
    Tag {
        /// The tag.
        tag: u8,
        /// Its offset.
        at: usize,
    },
    /// A container announces more elements than bytes are left.
    #[error(
        "the container at byte {at} announces {count} elements, more than bytes are left; the file is damaged or forged"
    )]
    Count {
        /// The offset of the container.
        at: usize,
        /// The number of elements that it announces.
        count: u64,
    },
    /// More nesting than allowed.
    #[error(
        "the term nests deeper than {limit} levels; flatten the manifest or raise the limit `depth`"
    )]
    Depth {
        /// The limit.
        limit: usize,
    },
    /// A map of more keys than allowed.
    #[error(
        "the map at byte {at} has {count} keys, and {} are allowed; write it as a list of pairs",
        Limits::MAP_KEYS
    )]
    MapKeys {
        /// Its offset.
        at: usize,
        /// The number of keys.
        count: u32,
    },
    /// More values than allowed.
    #[error(
        "the term has more than {limit} values; shorten the manifest or raise the limit `nodes`"
    )]
    Nodes {
        /// The limit.
        limit: usize,
    },
    /// An atom that no VM would accept.
    #[error(
        "the atom at byte {at} is not UTF-8 or has more than 255 characters; the file is damaged"
    )]
    Atom {
        /// Its offset.
        at: usize,
    },
    /// An integer beyond 64 bits.
    #[error(
        "the integer at byte {at} has {bytes} bytes and does not fit 64 bits; write it as text"
    )]
    Integer {
        /// Its offset.
        at: usize,
        /// The bytes of its magnitude.
        bytes: usize,
    },
    /// A float that is not a finite number.
    #[error("the float at byte {at} is not a finite number; the file is damaged")]
    Float {
        /// Its offset.
        at: usize,
    },
    /// A bit string whose bit count does not fit its bytes.
    #[error("the bit string at byte {at} counts {bits} bits in its last byte; the file is damaged")]
    Bits {
        /// Its offset.
        at: usize,
        /// The number of bits that it counts.
        bits: u8,
    },
    /// A map with the same key twice.
    #[error("the map that ends at byte {at} has one key twice; the file is damaged")]
    DuplicateKey {
        /// The offset of the map's end.
        at: usize,
    },
    /// A value that means something in a running system only.
    #[error(
        "byte {at} holds {what}, which means nothing outside the system that made it; take it out of the manifest"
    )]
    Opaque {
        /// Its kind.
        what: Opaque,
        /// Its offset.
        at: usize,
    },
    /// A compressed term that does not inflate to what it announces.
    #[error(
        "the compressed term does not inflate to the {announced} bytes that it announces; the file is damaged"
    )]
    Compressed {
        /// The bytes announced.
        announced: u64,
    },
    /// A compressed term that announces more than allowed.
    #[error(
        "the compressed term announces {announced} bytes, and {limit} are allowed; raise the limit `inflated_bytes` if you trust the file"
    )]
    CompressedTooLarge {
        /// The bytes announced.
        announced: u64,
        /// The limit.
        limit: u64,
    },
    /// Bytes after the term.
    #[error("{count} bytes follow the term; the file is damaged")]
    Trailing {
        /// How many.
        count: usize,
    },
}

/// Kinds of values that only mean something in a running system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opaque {
    /// A process identifier.
    Pid,
    /// A port identifier.
    Port,
    /// A reference.
    Reference,
    /// A closure: a fun that is not of the form `&Module.name/arity`.
    Closure,
}

impl std::fmt::Display for Opaque {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pid => "a pid",
            Self::Port => "a port",
            Self::Reference => "a reference",
            Self::Closure => "a closure",
        })
    }
}

impl TermError {
    /// The case as a name in `snake_case`, stable between versions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "term_truncated",
            Self::Version { .. } => "term_version",
            Self::Tag { .. } => "term_tag",
            Self::Count { .. } => "term_count",
            Self::Depth { .. } => "term_too_deep",
            Self::MapKeys { .. } => "term_map_keys",
            Self::Nodes { .. } => "term_too_large",
            Self::Atom { .. } => "term_atom",
            Self::Integer { .. } => "term_integer",
            Self::Float { .. } => "term_float",
            Self::Bits { .. } => "term_bits",
            Self::DuplicateKey { .. } => "term_duplicate_key",
            Self::Opaque { .. } => "term_opaque",
            Self::Compressed { .. } => "term_compressed",
            Self::CompressedTooLarge { .. } => "term_compressed_too_large",
            Self::Trailing { .. } => "term_trailing",
        }
    }
}
