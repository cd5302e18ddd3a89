use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::PluginError;
use crate::hook::ChainError;
use crate::plugin::{Name, PluginId};
use crate::requirement::RequirementError;
use crate::resolve::ResolveError;

/// A step in the life of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Attaching its hooks.
    Build,
    /// Getting ready.
    Start,
    /// Letting go.
    Stop,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Build => "build",
            Self::Start => "start",
            Self::Stop => "stop",
        })
    }
}

/// Why a host refused to load or unload. Nothing changed, unless the case says otherwise.
///
/// A message does not repeat its [`source`](std::error::Error::source): print the whole chain, as `anyhow` does, to
/// see why a plugin failed.
///
/// Written with serde, an error of a plugin's own is what it says, and comes back as an error that says it.
#[derive(Debug, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostError {
    /// A manifest could not be had.
    #[error("a plugin panicked when asked for its manifest: {message}")]
    NoManifest {
        /// The message of the panic.
        message: String,
    },
    /// A plugin loads or unloads in one of its own steps, on the thread that called the step.
    #[error(
        "the host is in the middle of a load or unload on this thread; a plugin cannot load or unload from its own \
         steps, do it when they have returned"
    )]
    Busy,
    /// No plugin of this id is loaded.
    #[error("{0} is not loaded; list the registry to see what is")]
    NotLoaded(PluginId),
    /// The plugins to load, with those that are loaded, leave dependencies open or wait for each other.
    #[error(transparent)]
    Resolve(#[from] ResolveError<PluginId>),
    /// A requirement makes no sense.
    #[error("the requirement of {plugin} on {needs} cannot be read")]
    InvalidRequirement {
        /// The plugin with that manifest.
        plugin: PluginId,
        /// The plugin or capability that it is about.
        needs: PluginId,
        /// The problem.
        source: Box<RequirementError>,
    },
    /// A requirement on the version of a capability, of which there is none.
    #[error(
        "{plugin} needs the capability {capability} {requirement}, but a capability has no version: leave the \
         requirement out, or name a plugin"
    )]
    VersionOfCapability {
        /// The plugin with that manifest.
        plugin: PluginId,
        /// The capability.
        capability: Name,
        /// The requirement, as written.
        requirement: String,
    },
    /// The plugin failed.
    #[error("{plugin} failed to {stage}")]
    Failed {
        /// The plugin.
        plugin: PluginId,
        /// In which step.
        stage: Stage,
        /// How.
        #[serde(with = "saying")]
        source: PluginError,
    },
    /// The plugin panicked. When it did in [`Stage::Stop`], it is unloaded nevertheless.
    #[error("{plugin} panicked in {stage}: {message}")]
    Panicked {
        /// The plugin.
        plugin: PluginId,
        /// In which step.
        stage: Stage,
        /// The message of the panic.
        message: String,
    },
    /// The hooks that would be there do not make a chain. Unloading can come to this too, when a constraint
    /// ceases to apply and its hook returns to a place that others contradict.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Others need the plugin.
    #[error("{plugin} is needed by {}; unload those first", list(dependents))]
    RequiredBy {
        /// The plugin to unload.
        plugin: PluginId,
        /// The plugins that need it, in load order.
        dependents: Vec<PluginId>,
    },
}

fn list(ids: &[PluginId]) -> String {
    ids.iter()
        .map(PluginId::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// An error of a plugin's own, written as its message.
mod saying {
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
}
