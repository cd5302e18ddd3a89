use crate::data::{Data, DataError, binary_term};
use rustler::types::atom;
use rustler::{Atom, Encoder, Env, Term};

/// A value that a hook writes into a context.
#[derive(Clone, Copy, Debug)]
pub enum Value<'v, 'a> {
    /// `nil`
    Nil,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float, which has to be finite.
    Float(f64),
    /// An atom that exists. There is no way from text to an atom.
    Atom(Atom),
    /// A binary.
    Text(&'v str),
    /// A binary of any bytes.
    Bytes(&'v [u8]),
    /// A list, a map, or anything else that is owned.
    Data(&'v Data),
    /// A term of the caller's, as it is: nothing is copied.
    Term(Term<'a>),
}

impl<'a> Value<'_, 'a> {
    /// The term to be written.
    ///
    /// # Errors
    /// If there is none: a float that is not finite, or data nested too deep.
    pub fn to_term(self, env: Env<'a>) -> Result<Term<'a>, DataError> {
        Ok(match self {
            Self::Nil => atom::nil().to_term(env),
            Self::Bool(value) => value.encode(env),
            Self::Int(value) => value.encode(env),
            Self::Float(value) if !value.is_finite() => return Err(DataError::NotFinite),
            Self::Float(value) => value.encode(env),
            Self::Atom(atom) => atom.to_term(env),
            Self::Text(text) => text.encode(env),
            Self::Bytes(bytes) => binary_term(bytes, env),
            Self::Data(data) => data.to_term(env)?,
            Self::Term(term) => term,
        })
    }
}

impl From<bool> for Value<'_, '_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value<'_, '_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value<'_, '_> {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Atom> for Value<'_, '_> {
    fn from(atom: Atom) -> Self {
        Self::Atom(atom)
    }
}

impl<'v> From<&'v str> for Value<'v, '_> {
    fn from(text: &'v str) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v String> for Value<'v, '_> {
    fn from(text: &'v String) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v [u8]> for Value<'v, '_> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'v> From<&'v Data> for Value<'v, '_> {
    fn from(data: &'v Data) -> Self {
        Self::Data(data)
    }
}

impl<'a> From<Term<'a>> for Value<'_, 'a> {
    fn from(term: Term<'a>) -> Self {
        Self::Term(term)
    }
}
