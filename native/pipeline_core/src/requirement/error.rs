use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::word::{Word, known};
use super::{MAX_REQUIREMENT_BYTES, MAX_VERSION_BYTES};

/// Why a text is not a version.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VersionError {
    /// More bytes than a version has.
    #[error(
        "a version of {bytes} bytes is too long: {MAX_VERSION_BYTES} are allowed, shorten its pre-release or build metadata"
    )]
    TooLong {
        /// The bytes of the text.
        bytes: usize,
    },
    /// Fewer than three numbers.
    #[error("{text:?} has no {part} number: write a version as MAJOR.MINOR.PATCH")]
    MissingNumber {
        /// The text as given.
        text: String,
        /// `major`, `minor` or `patch`.
        #[serde(deserialize_with = "known")]
        part: Word,
    },
    /// More than three numbers.
    #[error("{text:?} has more than three numbers: write a version as MAJOR.MINOR.PATCH")]
    TooManyNumbers {
        /// The text as given.
        text: String,
    },
    /// Something other than digits where a number belongs.
    #[error(
        "{found:?} in {text:?} is not a number: the {part} number is made of the digits 0 to 9"
    )]
    NotANumber {
        /// The text as given.
        text: String,
        /// `major`, `minor` or `patch`.
        #[serde(deserialize_with = "known")]
        part: Word,
        /// The text that stands there.
        found: String,
    },
    /// A number that starts with a zero and goes on.
    #[error("{number:?} in {text:?} starts with a zero: drop the leading zeros")]
    LeadingZero {
        /// The text as given.
        text: String,
        /// The number.
        number: String,
    },
    /// A number of more than 14 digits.
    #[error("{number:?} in {text:?} has more than 14 digits: use a smaller number")]
    TooManyDigits {
        /// The text as given.
        text: String,
        /// The number.
        number: String,
    },
    /// An empty identifier in the pre-release or the build metadata.
    #[error(
        "the {part} of {text:?} has an empty identifier: put letters or digits between the dots"
    )]
    EmptyIdentifier {
        /// The text as given.
        text: String,
        /// `pre-release` or `build metadata`.
        #[serde(deserialize_with = "known")]
        part: Word,
    },
    /// A character that identifiers do not have.
    #[error(
        "{identifier:?} in the {part} of {text:?} is not an identifier: use ASCII letters, digits and -"
    )]
    BadIdentifier {
        /// The text as given.
        text: String,
        /// `pre-release` or `build metadata`.
        #[serde(deserialize_with = "known")]
        part: Word,
        /// The identifier.
        identifier: String,
    },
}

/// Why a text is not a requirement.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RequirementError {
    /// More bytes than a requirement has.
    #[error(
        "a requirement of {bytes} bytes is too long: {MAX_REQUIREMENT_BYTES} are allowed, use fewer comparisons"
    )]
    TooLong {
        /// The bytes of the text.
        bytes: usize,
    },
    /// Nothing but spaces.
    #[error("the requirement is empty: write for example \"~> 1.0\"")]
    Empty,
    /// An operator, `and`, `or` or the start is followed by something that is not a version.
    #[error("{text:?} has no version after {after:?}")]
    MissingVersion {
        /// The text as given.
        text: String,
        /// The operator or connective that waits for a version.
        #[serde(deserialize_with = "known")]
        after: Word,
    },
    /// `and` or `or` with nothing ahead of it.
    #[error("{text:?} starts with {connective:?}: put a comparison ahead of it")]
    LeadingConnective {
        /// The text as given.
        text: String,
        /// `and` or `or`.
        #[serde(deserialize_with = "known")]
        connective: Word,
    },
    /// Two comparisons side by side.
    #[error(
        "{text:?} does not join {second:?} to what stands before it: write \" and \" or \" or \" between them"
    )]
    MissingConnective {
        /// The text as given.
        text: String,
        /// The version or operator that begins the second comparison.
        second: String,
    },
    /// A comparison with two numbers that is not `~>`.
    #[error("{version:?} in {text:?} has no patch number, which only ~> may leave out")]
    MissingPatch {
        /// The text as given.
        text: String,
        /// The version.
        version: String,
    },
    /// A version that is none.
    #[error("{text:?} is not a requirement: {source}")]
    Version {
        /// The text as given.
        text: String,
        /// The fault of the version.
        source: VersionError,
    },
}

/// Why [`is_match`](super::is_match) has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchError {
    /// The requirement is none. Reported ahead of a wrong version, as Elixir does.
    #[error(transparent)]
    Requirement(#[from] RequirementError),
    /// The version is none.
    #[error(transparent)]
    Version(#[from] VersionError),
}
