#![allow(clippy::inline_always, reason = "measured, see overlay.rs")]

use crate::data::{AtomName, Data};
use crate::vm::RawTerm;
use rustler::{Atom, Encoder, Env, Term};
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// How many keys a path may have; what walks an overlay recurses as deep as this.
const MAX_KEYS: usize = 16;

/// A key of a map: `:prompt` and `"prompt"` are different fields.
#[derive(Clone, PartialEq)]
pub enum Key {
    /// An atom.
    Atom(Atom),
    /// A binary.
    Text(Arc<str>),
}

impl Key {
    #[inline]
    pub(super) fn raw<'a>(&self, env: Env<'a>) -> RawTerm<'a> {
        RawTerm::of(self.encode(env), env)
    }
}

impl Encoder for Key {
    #[inline]
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Self::Atom(atom) => atom.to_term(env),
            Self::Text(text) => text.as_ref().encode(env),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atom(atom) => write!(f, ":{atom:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// Where a field is: a key of the context, or a list of keys through nested maps.
///
/// In a configuration it is written as Elixir would write it: `:prompt`, `"prompt"`,
/// `[:node, :config, "prompt"]`.
#[derive(Clone, PartialEq)]
pub struct Path(Keys);

#[derive(Clone, PartialEq)]
enum Keys {
    /// The usual case, copied without touching a counter when the key is an atom.
    One(Key),
    Many(Arc<[Key]>),
}

/// Why plain data is no path.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PathError {
    /// It is neither a key nor a list.
    #[error("expected a key (an atom or a string) or a list of keys, found {0}")]
    NotAPath(&'static str),
    /// An element of the list is no key.
    #[error("expected an atom or a string as each key of a path, found {0}")]
    NotAKey(&'static str),
    /// There is nothing in the list.
    #[error("a path needs at least one key, found []")]
    Empty,
    /// There is too much in it.
    #[error("a path may have 16 keys, found {0}")]
    TooLong(usize),
}

impl Path {
    /// The path of a field of the context itself.
    pub fn of_key(key: Key) -> Self {
        Self(Keys::One(key))
    }

    /// The path through `keys`.
    ///
    /// # Errors
    /// If there are none, or more than 16.
    pub fn of_keys(keys: &[Key]) -> Result<Self, PathError> {
        match keys.len() {
            0 => Err(PathError::Empty),
            1..=MAX_KEYS => Ok(Self::from_keys(keys)),
            more => Err(PathError::TooLong(more)),
        }
    }

    /// The keys, from the outermost map inwards; at least one.
    #[inline]
    pub fn keys(&self) -> &[Key] {
        match &self.0 {
            Keys::One(key) => std::slice::from_ref(key),
            Keys::Many(keys) => keys,
        }
    }

    /// Its only key, if that is an atom: the usual case, which reads and writes look for first.
    #[inline(always)]
    pub(super) fn atom(&self) -> Option<Atom> {
        match &self.0 {
            Keys::One(Key::Atom(atom)) => Some(*atom),
            _ => None,
        }
    }

    /// The path of the first `count` keys, at least one.
    pub(super) fn first(&self, count: usize) -> Self {
        let keys = self.keys();
        Self::from_keys(&keys[..count.clamp(1, keys.len())])
    }

    fn from_keys(keys: &[Key]) -> Self {
        match keys {
            [key] => Self(Keys::One(key.clone())),
            keys => Self(Keys::Many(keys.into())),
        }
    }

    /// As the caller would write it: a list of its keys, atoms as atoms.
    pub fn to_list<'a>(&self, env: Env<'a>) -> Term<'a> {
        self.keys().encode(env)
    }
}

impl TryFrom<Data> for Path {
    type Error = PathError;

    fn try_from(data: Data) -> Result<Self, PathError> {
        match data {
            Data::List(elements) => {
                let keys: Vec<Key> = elements
                    .into_iter()
                    .map(|element| key(element, PathError::NotAKey))
                    .collect::<Result<_, _>>()?;
                Self::of_keys(&keys)
            }
            other => key(other, PathError::NotAPath).map(Self::of_key),
        }
    }
}

fn key(data: Data, error: fn(&'static str) -> PathError) -> Result<Key, PathError> {
    match data {
        Data::Atom(atom) => Ok(Key::Atom(AtomName::atom(&atom))),
        Data::Text(text) => Ok(Key::Text(text.into())),
        other => Err(error(other.kind())),
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Data::deserialize(deserializer)?
            .try_into()
            .map_err(de::Error::custom)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Keys::One(key) => write!(f, "{key:?}"),
            Keys::Many(keys) => write!(f, "{keys:?}"),
        }
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Data, Path, PathError};

    #[test]
    fn a_string_is_a_path_of_one_key() {
        let path = Path::try_from(Data::from("prompt")).unwrap();
        assert_eq!(path.to_string(), "\"prompt\"");
        assert_eq!(path.keys().len(), 1);
    }

    #[test]
    fn a_list_of_one_key_is_that_key() {
        let listed = Path::try_from(Data::List(vec![Data::from("prompt")]));
        assert_eq!(listed, Path::try_from(Data::from("prompt")));
    }

    #[test]
    fn a_list_keeps_the_order_of_its_keys() {
        let path =
            Path::try_from(Data::List(vec![Data::from("node"), Data::from("prompt")])).unwrap();
        assert_eq!(path.to_string(), r#"["node", "prompt"]"#);
        assert_eq!(path.first(1).to_string(), "\"node\"");
    }

    #[test]
    fn what_is_no_path_is_named() {
        assert_eq!(
            Path::try_from(Data::Int(1)),
            Err(PathError::NotAPath("an integer"))
        );
        assert_eq!(
            Path::try_from(Data::List(vec![Data::Nil])),
            Err(PathError::NotAKey("nil"))
        );
        assert_eq!(Path::try_from(Data::List(vec![])), Err(PathError::Empty));
        assert_eq!(
            Path::try_from(Data::List(vec![Data::from("a"); 17])),
            Err(PathError::TooLong(17))
        );
    }
}
