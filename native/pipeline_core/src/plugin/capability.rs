use serde::{Deserialize, Serialize};

use super::{CapabilityValue, Name};

/// Something a plugin can do, with the values that qualify it (models, languages, formats, …).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// The name that others look it up by.
    pub name: Name,
    /// It is found by each of these too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<CapabilityValue>,
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
    pub fn value(mut self, value: impl Into<CapabilityValue>) -> Self {
        self.values.push(value.into());
        self
    }
}
