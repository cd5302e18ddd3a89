use crate::context::Path;
use crate::data::{Data, DataError, fixed_atom};
use rustler::types::tuple::make_tuple;
use rustler::{Encoder, Env, Term};

/// Why a hook refused, as data: `{:missing_field, [:prompt]}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    tag: &'static str,
    details: Vec<Detail>,
}

/// A part of a [`Reason`].
#[derive(Clone, Debug, PartialEq)]
pub enum Detail {
    /// An atom whose name stands in the source.
    Name(&'static str),
    /// A list of keys.
    Path(Path),
    /// Plain data.
    Data(Data),
    /// A list.
    List(Vec<Detail>),
    /// A map with atom keys.
    Map(Vec<(&'static str, Detail)>),
}

impl Reason {
    /// A reason with this tag, which becomes an atom.
    pub fn new(tag: &'static str) -> Self {
        Self {
            tag,
            details: Vec::new(),
        }
    }

    /// With one more detail.
    #[must_use]
    pub fn with(mut self, detail: impl Into<Detail>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// A tuple of the tag and the details; the tag alone if there are none.
    ///
    /// # Errors
    /// If a detail has no term.
    pub fn to_term<'a>(&self, env: Env<'a>) -> Result<Term<'a>, DataError> {
        let tag = fixed_atom(env, self.tag);
        if self.details.is_empty() {
            return Ok(tag);
        }
        let mut elements = vec![tag];
        for detail in &self.details {
            elements.push(detail.to_term(env, MAX_DEPTH)?);
        }
        Ok(make_tuple(env, &elements))
    }
}

/// How deep details may be nested.
const MAX_DEPTH: usize = 8;

impl Detail {
    fn to_term<'a>(&self, env: Env<'a>, depth: usize) -> Result<Term<'a>, DataError> {
        let Some(below) = depth.checked_sub(1) else {
            return Err(DataError::TooDeep(MAX_DEPTH));
        };
        match self {
            Self::Name(name) => Ok(fixed_atom(env, name)),
            Self::Path(path) => Ok(path.to_list(env)),
            Self::Data(data) => data.to_term(env),
            Self::List(elements) => {
                let terms: Vec<Term<'a>> = elements
                    .iter()
                    .map(|element| element.to_term(env, below))
                    .collect::<Result<_, _>>()?;
                Ok(terms.encode(env))
            }
            Self::Map(entries) => {
                entries
                    .iter()
                    .try_fold(Term::map_new(env), |map, (key, value)| {
                        Ok(map
                            .map_put(fixed_atom(env, key), value.to_term(env, below)?)
                            .unwrap_or(map))
                    })
            }
        }
    }
}

impl From<&Path> for Detail {
    fn from(path: &Path) -> Self {
        Self::Path(path.clone())
    }
}

impl From<Data> for Detail {
    fn from(data: Data) -> Self {
        Self::Data(data)
    }
}
