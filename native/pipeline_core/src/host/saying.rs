//! An error of a plugin's own, written as what it says.

use serde::{Deserialize, Deserializer, Serializer};

use super::PluginError;

pub(super) fn serialize<S: Serializer>(
    error: &PluginError,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<PluginError, D::Error> {
    String::deserialize(deserializer).map(PluginError::from)
}
