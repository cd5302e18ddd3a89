use serde::{Deserialize, Serialize};

use super::{Name, PluginId};
use crate::hook::order::place_by_builders;
use crate::hook::{HookKind, OnError};

/// The priority of a hook that declares none.
pub const DEFAULT_PRIORITY: i64 = 50;

/// A hook as its plugin declares it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DeclaredHook {
    /// Its kind.
    pub kind: HookKind,
    /// The point it is attached to.
    pub point: Name,
    /// Higher runs first.
    #[serde(default = "default_priority")]
    pub priority: i64,
    /// Plugins whose hooks it stands just before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<PluginId>,
    /// Plugins whose hooks it stands just after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<PluginId>,
    /// Whether its failure ends the run.
    #[serde(default)]
    pub on_error: OnError,
}

fn default_priority() -> i64 {
    DEFAULT_PRIORITY
}

impl DeclaredHook {
    /// A hook with the default priority, without constraints, whose failure halts the run.
    pub fn new(kind: HookKind, point: impl Into<Name>) -> Self {
        Self {
            kind,
            point: point.into(),
            priority: DEFAULT_PRIORITY,
            before: Vec::new(),
            after: Vec::new(),
            on_error: OnError::default(),
        }
    }

    place_by_builders!();

    /// Says what a failure does to the run.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }
}
