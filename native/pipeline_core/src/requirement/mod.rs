//! Version requirements with the meaning that Elixir's `Version` module gives them.
//!
//! The grammar and the answers are those of `Version.match?/3`, which differ from `semver::VersionReq` in
//! most respects; versions themselves are [`semver::Version`] values.
//!
//! # Text
//!
//! A requirement is one or more comparators joined by `and` and `or`. Both words are lower case with a space
//! (U+0020) on each side; `and` binds tighter; there are no parentheses, commas or carets. The text is read
//! from left to right:
//!
//! - `>=`, `<=`, `~>`, `>`, `<`, `==`, `!=` and `!` (the same as `!=`) are operators wherever they stand,
//!   with or without a space beside them; the first in this list that fits is taken.
//! - ` or ` and ` and ` are connectives. Their spaces belong to them, so `1.0.0 and and 2.0.0` has `and` as a
//!   version.
//! - any other space ends the version before it; everything else is part of a version.
//! - a version without an operator means `==`.
//!
//! A version is `major.minor.patch`, then `-` and a pre-release, then `+` and build metadata, both made of
//! dot-separated identifiers of ASCII letters, digits and `-`. Only `~>` may leave the patch out. Numbers
//! have no leading zero, in the build metadata excepted, and at most 14 digits (Elixir refuses longer ones
//! from 1.20.1 on; older ones took them). A version has at most [`MAX_VERSION_BYTES`], a requirement
//! [`MAX_REQUIREMENT_BYTES`]; longer ones are refused unread.
//!
//! # Meaning
//!
//! - Comparison is precedence by Semantic Versioning 2.0.0; build metadata is ignored everywhere, also by
//!   `==`.
//! - `~> 1.2` is at least 1.2.0 and below 2.0.0-0; `~> 1.2.3` is at least 1.2.3 and below 1.3.0-0. The
//!   pre-releases of the upper bound are thereby outside.
//! - With [`AllowPre::Yes`] pre-releases are versions like any other. With [`AllowPre::No`] the comparators
//!   `~>`, `>` and `>=` refuse a pre-release unless their own version is one. The other operators do not
//!   look: `< 2.0.0` takes 2.0.0-rc.1 either way. What a requirement accepts is therefore no contiguous
//!   range.
//!
//! ```
//! use pipeline_core::requirement::{AllowPre, Requirement, parse_version};
//!
//! let requirement: Requirement = "~> 1.2 and != 1.4.0".parse()?;
//! assert!(requirement.matches(&parse_version("1.9.3")?, AllowPre::No));
//! assert!(!requirement.matches(&parse_version("1.4.0+build")?, AllowPre::No));
//! assert!(!requirement.matches(&parse_version("1.9.0-rc.1")?, AllowPre::No));
//! assert!(requirement.matches(&parse_version("1.9.0-rc.1")?, AllowPre::Yes));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod comparator;
mod error;
mod expression;
mod lexer;
mod version;
mod word;

pub use comparator::AllowPre;
pub use error::{MatchError, RequirementError, VersionError};
pub use expression::{MAX_REQUIREMENT_BYTES, Requirement, is_match};
pub use version::{MAX_VERSION_BYTES, parse_version};
