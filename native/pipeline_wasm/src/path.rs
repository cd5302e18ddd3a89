use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// How many keys a path has at most.
pub const MAX_KEYS: usize = 16;

/// Where a field stands in a context: its keys, from the outermost map inwards.
///
/// It is written as a JSON pointer (RFC 6901): `/user/name`. The empty one is the whole context.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<String>);

/// Why a text is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PathError {
    /// It does not begin with a slash.
    #[error("a path begins with a slash, as in /user/name; the empty path is the whole context")]
    NoSlash,
    /// A tilde that means nothing.
    #[error("in a path, ~0 stands for a tilde and ~1 for a slash; nothing else follows a tilde")]
    Escape,
    /// It has more than [`MAX_KEYS`] keys.
    #[error("a path has at most {MAX_KEYS} keys")]
    TooLong,
}

impl FieldPath {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// [`PathError`] if it is none.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let keys = text.strip_prefix('/').ok_or(PathError::NoSlash)?;
        let keys: Vec<String> = keys
            .split('/')
            .take(MAX_KEYS + 1)
            .map(unescape)
            .collect::<Result<_, _>>()?;
        Self::of(keys)
    }

    /// The path of these keys.
    ///
    /// # Errors
    ///
    /// [`PathError::TooLong`] if there are too many.
    pub fn of(keys: Vec<String>) -> Result<Self, PathError> {
        if keys.len() > MAX_KEYS {
            return Err(PathError::TooLong);
        }
        Ok(Self(keys))
    }

    /// Its keys.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// The keys of `other` below this path; none if `other` is not this path or below it.
    pub fn below<'p>(&self, other: &'p Self) -> Option<&'p [String]> {
        other.0.strip_prefix(self.0.as_slice())
    }
}

fn unescape(key: &str) -> Result<String, PathError> {
    let mut plain = String::with_capacity(key.len());
    let mut letters = key.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '~' => match letters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(PathError::Escape),
            },
            letter => letter,
        });
    }
    Ok(plain)
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in &self.0 {
            write!(f, "/{}", key.replace('~', "~0").replace('/', "~1"))?;
        }
        if self.0.is_empty() {
            f.write_str("the whole context")?;
        }
        Ok(())
    }
}

impl FieldPath {
    /// As [`FieldPath::parse`] reads it.
    pub fn to_pointer(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        self.to_string()
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_pointer())
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}
