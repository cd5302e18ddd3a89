use semver::Version;
use serde::{Deserialize, Serialize};

use super::{HostError, Stage};
use crate::events::Event;
use crate::hook::{CircuitChange, HookError};
use crate::plugin::PluginId;

/// An event that a [`Host`](super::Host) emits on its bus.
///
/// Written with serde, the field `event` holds the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum HostEvent {
    /// A plugin was loaded: its hooks are there.
    PluginLoaded {
        /// Its id.
        id: PluginId,
        /// Its version.
        version: Version,
    },
    /// A plugin was unloaded: its hooks are gone.
    PluginUnloaded {
        /// Its id.
        id: PluginId,
    },
    /// A plugin failed or panicked in a step of its life.
    PluginFailed {
        /// Its id.
        id: PluginId,
        /// The step.
        stage: Stage,
        /// The message of the error or panic.
        message: String,
    },
    /// A hook failed in a run. One that was not called for its open circuit has not failed.
    HookFailed {
        /// Which hook, and how. Its own error is with the caller of the run.
        error: HookError<()>,
        /// Whether the run went on without it.
        skipped: bool,
    },
    /// The circuit of a hook has opened, half-opened or closed.
    HookCircuit {
        /// Which hook, and how.
        change: CircuitChange,
    },
}

impl HostEvent {
    /// The failure of a plugin, if the error is one.
    pub(super) fn of(error: &HostError) -> Option<Self> {
        let (id, stage, message) = match error {
            HostError::Failed {
                plugin,
                stage,
                source,
            } => (plugin, stage, source.to_string()),
            HostError::Panicked {
                plugin,
                stage,
                message,
            } => (plugin, stage, message.clone()),
            _ => return None,
        };
        Some(Self::PluginFailed {
            id: id.clone(),
            stage: *stage,
            message,
        })
    }
}

impl Event for HostEvent {
    fn name(&self) -> &str {
        match self {
            Self::PluginLoaded { .. } => "plugin_loaded",
            Self::PluginUnloaded { .. } => "plugin_unloaded",
            Self::PluginFailed { .. } => "plugin_failed",
            Self::HookFailed { .. } => "hook_failed",
            Self::HookCircuit { .. } => "hook_circuit",
        }
    }
}
