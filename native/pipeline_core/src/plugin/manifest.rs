use semver::Version;
use serde::{Deserialize, Serialize};

use super::{Capability, CapabilityValue, DeclaredHook, Dependency, Name, PluginId, Provides};
use crate::registry::{Provider, RegistryEntry};

/// A plugin's description of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "Manifest of a pipeline plugin"))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Names the plugin; unique among those loaded.
    pub id: PluginId,
    /// A name for people to read; the id when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its purpose.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its author.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Its capabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
    /// The types it provides for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<Provides>,
    /// Its dependencies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// Where it hooks in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<DeclaredHook>,
}

impl Manifest {
    /// A manifest with nothing in it but id and version.
    pub fn new(id: impl Into<PluginId>, version: Version) -> Self {
        Self {
            id: id.into(),
            name: String::new(),
            version,
            description: String::new(),
            author: String::new(),
            capabilities: Vec::new(),
            provides: Vec::new(),
            dependencies: Vec::new(),
            hooks: Vec::new(),
        }
    }

    /// Adds a capability.
    #[must_use]
    pub fn capability(mut self, capability: Capability) -> Self {
        self.capabilities.push(capability);
        self
    }

    /// Adds a provider type.
    #[must_use]
    pub fn provides(mut self, provider_type: impl Into<Name>, provider: Provider) -> Self {
        let provider_type = provider_type.into();
        self.provides.push(Provides {
            provider_type,
            provider,
        });
        self
    }

    /// Adds a dependency.
    #[must_use]
    pub fn depends_on(mut self, dependency: Dependency) -> Self {
        self.dependencies.push(dependency);
        self
    }

    /// Adds a hook.
    #[must_use]
    pub fn hook(mut self, hook: DeclaredHook) -> Self {
        self.hooks.push(hook);
        self
    }
}

impl RegistryEntry for Manifest {
    type Id = PluginId;
    type Key = Name;
    type Value = CapabilityValue;

    fn id(&self) -> &PluginId {
        &self.id
    }

    fn capabilities(&self) -> impl Iterator<Item = (Name, Vec<CapabilityValue>)> {
        let capabilities = self.capabilities.iter();
        capabilities.map(|capability| (capability.name.clone(), capability.values.clone()))
    }

    fn providers(&self) -> impl Iterator<Item = (Name, Provider)> {
        let provides = self.provides.iter();
        provides.map(|provides| (provides.provider_type.clone(), provides.provider))
    }
}
