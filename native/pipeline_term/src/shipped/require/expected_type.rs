use rustler::types::atom;
use rustler::{Binary, Term, TermType};
use serde::Deserialize;

/// The type that a field has to hold.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExpectedType {
    /// A binary of valid UTF-8.
    String,
    /// Any binary.
    Binary,
    /// An integer of any size.
    Integer,
    Float,
    /// An integer or a float.
    Number,
    Boolean,
    /// Any atom, `nil` and booleans included.
    Atom,
    /// A list, proper or not.
    List,
    Tuple,
    /// A map, structs included.
    Map,
}

impl ExpectedType {
    /// The name it is configured by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Binary => "binary",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Atom => "atom",
            Self::List => "list",
            Self::Tuple => "tuple",
            Self::Map => "map",
        }
    }

    pub(super) fn fits(self, term: Term<'_>) -> bool {
        let found = term.get_type();
        match self {
            Self::String => Binary::from_term(term)
                .is_ok_and(|binary| std::str::from_utf8(binary.as_slice()).is_ok()),
            Self::Binary => term.is_binary(),
            Self::Integer => found == TermType::Integer,
            Self::Float => found == TermType::Float,
            Self::Number => matches!(found, TermType::Integer | TermType::Float),
            Self::Boolean => atom::true_() == term || atom::false_() == term,
            Self::Atom => found == TermType::Atom,
            Self::List => found == TermType::List,
            Self::Tuple => found == TermType::Tuple,
            Self::Map => found == TermType::Map,
        }
    }
}
