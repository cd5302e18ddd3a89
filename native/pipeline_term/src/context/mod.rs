//! The context of a run: the caller's term, read in place, under an overlay of writes.

mod error;
mod kind;
mod overlay;
mod path;
mod term_context;
mod value;
mod work_meter;

pub use error::ContextError;
pub use kind::Kind;
pub use path::{Key, Path, PathError};
pub use term_context::TermContext;
pub use value::Value;
pub(crate) use work_meter::WorkMeter;
