use std::fmt;

use semver::Version;
use thiserror::Error;

use super::PluginError;
use crate::hook::ChainError;
use crate::plugin::{Name, PluginId};

/// A step in the life of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HostError {
    /// A manifest could not be had.
    #[error("a plugin panicked when asked for its manifest: {message}")]
    NoManifest {
        /// What the panic said.
        message: String,
    },
    /// A plugin of this id is loaded, or comes twice in one load.
    #[error("{0} is loaded already; unload it first")]
    Duplicate(PluginId),
    /// No plugin of this id is loaded.
    #[error("{0} is not loaded; list the registry to see what is")]
    NotLoaded(PluginId),
    /// A dependency is not loaded.
    #[error("{plugin} needs {needs}, which is not loaded; load {needs} first")]
    MissingPlugin {
        /// Who needs it.
        plugin: PluginId,
        /// What is missing.
        needs: PluginId,
    },
    /// No plugin of a version that will do has a capability.
    #[error(
        "{plugin} needs the capability {capability}, which no loaded plugin of a fitting version has; load one first"
    )]
    MissingCapability {
        /// Who needs it.
        plugin: PluginId,
        /// What is missing.
        capability: Name,
    },
    /// A dependency is loaded in a version that will not do.
    #[error(
        "{plugin} needs {needs} {requirement}, and {found} is loaded; load a version that fits"
    )]
    VersionMismatch {
        /// Who needs it.
        plugin: PluginId,
        /// What it needs.
        needs: PluginId,
        /// The versions that would do.
        requirement: String,
        /// The version that is loaded.
        found: Version,
    },
    /// A requirement makes no sense.
    #[error("{plugin} has the requirement {requirement:?}, which is none: {source}")]
    InvalidRequirement {
        /// Whose manifest it is in.
        plugin: PluginId,
        /// As written.
        requirement: String,
        /// What is wrong with it.
        source: PluginError,
    },
    /// The plugin failed.
    #[error("{plugin} failed to {stage}: {source}")]
    Failed {
        /// Who failed.
        plugin: PluginId,
        /// In which step.
        stage: Stage,
        /// How.
        source: PluginError,
    },
    /// The plugin panicked. When it did in [`Stage::Stop`], it is unloaded nevertheless.
    #[error("{plugin} panicked in {stage}: {message}")]
    Panicked {
        /// Who panicked.
        plugin: PluginId,
        /// In which step.
        stage: Stage,
        /// What the panic said.
        message: String,
    },
    /// The hooks that would be there do not make a chain. Unloading can come to this too, when a constraint ceases to
    /// apply and its hook returns to a place that others contradict.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Others need the plugin.
    #[error("{plugin} is needed by {}; unload those first", list(dependents))]
    RequiredBy {
        /// Who was to be unloaded.
        plugin: PluginId,
        /// Who needs it, in load order.
        dependents: Vec<PluginId>,
    },
}

fn list(ids: &[PluginId]) -> String {
    ids.iter()
        .map(PluginId::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
