use serde::{Deserialize, Serialize};

use crate::breaker::{Reason, State};
use crate::hook::Kind;
use crate::plugin::{Name, PluginId};

/// A circuit that has changed its state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitChange {
    /// Whose hook it is.
    pub plugin: PluginId,
    /// The point that the hook is attached to.
    pub point: Name,
    /// The kind of the hook.
    pub kind: Kind,
    /// The place of the hook among those of its kind on the point, counted from 0.
    pub index: usize,
    /// The state before.
    pub from: State,
    /// The state from now on.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// How often the circuit has opened.
    pub opened: u64,
}

/// Who is told of changes.
pub(in crate::hook) type Observer = Box<dyn Fn(&CircuitChange) + Send + Sync>;
