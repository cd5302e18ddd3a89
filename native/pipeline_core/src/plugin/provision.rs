use serde::{Deserialize, Serialize};

use super::Name;
use crate::registry::Provider;

/// A provider type that a plugin provides for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Provides {
    /// The type.
    #[serde(rename = "type")]
    pub provider_type: Name,
    /// How this provider ranks among others of the type.
    #[serde(flatten)]
    pub provider: Provider,
}
