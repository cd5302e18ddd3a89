use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Name, PluginId};

/// The object of a dependency.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Needs {
    /// This plugin.
    Plugin(PluginId),
    /// Any plugin with this capability.
    Capability(Name),
}

/// Something a plugin needs in order to run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "DependencyRepr", into = "DependencyRepr")]
pub struct Dependency {
    /// The plugin or capability.
    pub needs: Needs,
    /// The versions that will do, as repr; any when `None`. Resolution parses it.
    pub requirement: Option<String>,
    /// Whether the plugin can do without. An optional dependency that is there is loaded first.
    pub optional: bool,
}

/// Why a dependency as written is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DependencyError {
    /// It names nothing.
    #[error(
        "a dependency names neither a plugin nor a capability; give it one of `plugin` and `capability`"
    )]
    NamesNothing,
    /// It names two things.
    #[error("a dependency names both a plugin and a capability; declare two dependencies")]
    NamesBoth,
}

impl Dependency {
    /// A dependency on any version of a plugin.
    pub fn plugin(id: impl Into<PluginId>) -> Self {
        Self::on(Needs::Plugin(id.into()))
    }

    /// A dependency on any plugin with a capability.
    pub fn capability(name: impl Into<Name>) -> Self {
        Self::on(Needs::Capability(name.into()))
    }

    fn on(needs: Needs) -> Self {
        Self {
            needs,
            requirement: None,
            optional: false,
        }
    }

    /// Narrows the versions, as in `~> 1.2`.
    #[must_use]
    pub fn requirement(mut self, requirement: impl Into<String>) -> Self {
        self.requirement = Some(requirement.into());
        self
    }

    /// Lets the plugin do without.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// Something a plugin needs: a plugin or a capability.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = super::schema::names_one))]
#[serde(deny_unknown_fields)]
struct DependencyRepr {
    /// The plugin that has to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugin: Option<PluginId>,
    /// The capability that another plugin has to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capability: Option<Name>,
    /// The versions that will do, as in `~> 1.2`; any if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requirement: Option<String>,
    /// Whether the plugin can do without.
    #[serde(default)]
    optional: bool,
}

impl TryFrom<DependencyRepr> for Dependency {
    type Error = DependencyError;

    fn try_from(repr: DependencyRepr) -> Result<Self, DependencyError> {
        let needs = match (repr.plugin, repr.capability) {
            (Some(id), None) => Needs::Plugin(id),
            (None, Some(name)) => Needs::Capability(name),
            (None, None) => return Err(DependencyError::NamesNothing),
            (Some(_), Some(_)) => return Err(DependencyError::NamesBoth),
        };
        Ok(Self {
            needs,
            requirement: repr.requirement,
            optional: repr.optional,
        })
    }
}

impl From<Dependency> for DependencyRepr {
    fn from(dependency: Dependency) -> Self {
        let (plugin, capability) = match dependency.needs {
            Needs::Plugin(id) => (Some(id), None),
            Needs::Capability(name) => (None, Some(name)),
        };
        Self {
            plugin,
            capability,
            requirement: dependency.requirement,
            optional: dependency.optional,
        }
    }
}
