use super::{Kind, Path};
use crate::data::DataError;
use thiserror::Error;

/// Why a context could not be read or written.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ContextError {
    /// The context itself is no map.
    #[error("the context is {found}; native hooks work on maps only")]
    NotAMap {
        /// Its type.
        found: Kind,
    },
    /// Something on the way to a field is no map.
    #[error("{at} is {found}, so it has no fields; expected a map there")]
    NoFields {
        /// The part of the path that leads to it.
        at: Path,
        /// Its type.
        found: Kind,
    },
    /// A field holds a value of a type the hook cannot work on.
    #[error("{at} is {found}; expected {expected}")]
    WrongType {
        /// Where it is.
        at: Path,
        /// The type that the hook works on.
        expected: &'static str,
        /// The type that it found.
        found: Kind,
    },
    /// A field has to be there for the hook to do its work.
    #[error("{at} is missing; set it before this hook runs")]
    Missing {
        /// Where it was looked for.
        at: Path,
    },
    /// A value that has no term, or a term that is no plain data.
    #[error("{at}: {source}")]
    Data {
        /// Where it was found or should have gone.
        at: Path,
        /// The problem.
        source: DataError,
    },
}
