use serde::{Deserialize, Serialize};

use super::{Name, Value};

/// Something a plugin can do, with the values that qualify it (models, languages, formats, …).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// What others look it up by.
    pub name: Name,
    /// It is found by each of these too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

impl Capability {
    /// A capability without values.
    pub fn new(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            values: Vec::new(),
        }
    }

    /// Adds a value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}
