use rustler::types::atom;
use rustler::{Atom, Term, TermType};
use std::fmt;

/// The type of a term, as an error message calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `nil`
    Nil,
    /// `true` or `false`
    Boolean,
    /// Any other atom.
    Atom,
    /// An integer of any size.
    Integer,
    /// A float.
    Float,
    /// A binary.
    Binary,
    /// A bit string that is no binary.
    BitString,
    /// A list, proper or not.
    List,
    /// A tuple.
    Tuple,
    /// A map, or a struct.
    Map,
    /// A process identifier, port, reference or function.
    Opaque,
}

impl Kind {
    /// The kind of `term`.
    pub fn of(term: Term<'_>) -> Self {
        match term.get_type() {
            TermType::Atom => match Atom::from_term(term) {
                Ok(found) if found == atom::nil() => Self::Nil,
                Ok(found) if found == atom::true_() || found == atom::false_() => Self::Boolean,
                _ => Self::Atom,
            },
            TermType::Integer => Self::Integer,
            TermType::Float => Self::Float,
            TermType::Binary if term.is_binary() => Self::Binary,
            TermType::Binary => Self::BitString,
            TermType::List => Self::List,
            TermType::Tuple => Self::Tuple,
            TermType::Map => Self::Map,
            TermType::Fun | TermType::Pid | TermType::Port | TermType::Ref | TermType::Unknown => {
                Self::Opaque
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nil => "nil",
            Self::Boolean => "a boolean",
            Self::Atom => "an atom",
            Self::Integer => "an integer",
            Self::Float => "a float",
            Self::Binary => "a binary",
            Self::BitString => "a bit string",
            Self::List => "a list",
            Self::Tuple => "a tuple",
            Self::Map => "a map",
            Self::Opaque => "a process identifier, port, reference or function",
        })
    }
}
