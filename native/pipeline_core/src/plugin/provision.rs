use serde::{Deserialize, Serialize};

use super::Name;
use crate::registry::Provider;

/// A provider type that a plugin provides for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "ProvidesRepr", into = "ProvidesRepr")]
pub struct Provides {
    /// The type.
    pub provider_type: Name,
    /// How this provider ranks among others of the type.
    pub provider: Provider,
}

/// A provider type that a plugin provides for.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct ProvidesRepr {
    /// The type.
    #[serde(rename = "type")]
    provider_type: Name,
    /// Higher goes first.
    #[serde(default)]
    priority: i64,
    /// Goes ahead of all that are not default, whatever their priority.
    #[serde(default)]
    default: bool,
}

impl From<ProvidesRepr> for Provides {
    fn from(repr: ProvidesRepr) -> Self {
        let ProvidesRepr {
            provider_type,
            priority,
            default,
        } = repr;
        Self {
            provider_type,
            provider: Provider { priority, default },
        }
    }
}

impl From<Provides> for ProvidesRepr {
    fn from(provides: Provides) -> Self {
        let Provider { priority, default } = provides.provider;
        Self {
            provider_type: provides.provider_type,
            priority,
            default,
        }
    }
}
