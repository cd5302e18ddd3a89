//! Plain data: owned copies of terms, for configuration and for the reasons of a refusal.
//!
//! [`Data`] keeps what JSON-shaped formats lose: an atom is not a string, and a map's keys may be anything.
//! It is read from a term with a bound on its depth, and is a [`serde::Deserializer`] for the types that
//! hooks declare as their configuration.

mod atom_name;
mod deserialize;
mod error;
mod hand_over;
mod serialize;
mod term;
mod value;

pub use atom_name::AtomName;
pub use error::{DataError, ShapeError};
pub use value::Data;

pub(crate) use term::{binary_term, fixed_atom};
