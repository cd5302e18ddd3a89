//! Erlang terms and their external format.
//!
//! [`tokens::Tokens`] turns bytes into a flat sequence of values and container headers; [`decode`]
//! builds a [`Term`] from it with a stack of its own, and [`Tokens::skip`] walks over a term with a counter.
//! Neither recurses, so the nesting of a term never meets the stack of the thread that reads it.
//!
//! The format is that of the "External Term Format" chapter of the ERTS User's Guide.

mod atom_text;
mod builder;
mod compressed;
mod cursor;
mod decode;
mod error;
mod tag;
mod tokens;
mod value;

pub use decode::decode;
pub use error::{Opaque, TermError};
pub use value::Term;

pub(crate) use atom_text::AtomText;
pub(crate) use compressed::payload;
pub(crate) use cursor::Cursor;
pub(crate) use decode::decode_value;
pub(crate) use tokens::{Token, Tokens};
