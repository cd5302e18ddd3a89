use serde::{Deserialize, Serialize};

use crate::breaker::{BreakerState, TransitionReason};
use crate::hook::HookKind;
use crate::plugin::{Name, PluginId};

/// A circuit that has changed its state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitChange {
    /// The plugin that has the hook.
    pub plugin: PluginId,
    /// The point that the hook is attached to.
    pub point: Name,
    /// The kind of the hook.
    pub kind: HookKind,
    /// The place of the hook among those of its kind on the point, counted from 0.
    pub index: usize,
    /// The state before.
    pub from: BreakerState,
    /// The state from now on.
    pub to: BreakerState,
    /// Why.
    pub reason: TransitionReason,
    /// How often the circuit has opened.
    pub opened: u64,
}

/// Called with each change.
pub(in crate::hook) type Observer = Box<dyn Fn(&CircuitChange) + Send + Sync>;
