use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// A word of this program. Under this name serde does not take it for text that is borrowed from the input.
pub(super) type Word = &'static str;

/// The words by which errors name parts of versions and requirements.
const WORDS: [Word; 14] = [
    "major",
    "minor",
    "patch",
    "pre-release",
    "build metadata",
    "and",
    "or",
    "==",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
    "~>",
];

/// Reads one of them.
pub(super) fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
    let read = String::deserialize(deserializer)?;
    let known = WORDS.into_iter().find(|word| *word == read);
    known.ok_or_else(|| D::Error::unknown_variant(&read, &WORDS))
}
