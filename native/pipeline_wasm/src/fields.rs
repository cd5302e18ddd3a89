use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{FieldPath, Kind, Value};

/// A context that shows its fields to guests.
///
/// A context that serde reads and writes does so by [`serialized`](crate::serialized); `serde_json::Value` is one
/// already.
pub trait Fields {
    /// The field at a path; none if there is no such field.
    fn field(&self, path: &FieldPath) -> Option<Value>;

    /// Makes changes, in their order: all of them, or none.
    ///
    /// # Errors
    ///
    /// [`FieldError`] for the first that cannot be made.
    fn apply(&mut self, changes: Vec<Change>) -> Result<(), FieldError>;
}

/// A change to a context.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The field.
    pub path: FieldPath,
    /// Its new value; none to remove it.
    pub value: Option<Value>,
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FieldError {
    /// A key of the path leads into something that has no fields.
    #[error("{0} cannot be changed: what would hold it is no map")]
    NoMap(FieldPath),
    /// The context does not take such a value.
    #[error("{path} cannot be {kind} in this context")]
    Kind {
        /// The field.
        path: FieldPath,
        /// What it would have been.
        kind: Kind,
    },
    /// With the changes, the context would not be one of its type.
    #[error("the context would not be of its type: {message}")]
    Shape {
        /// What serde says.
        message: String,
    },
}
