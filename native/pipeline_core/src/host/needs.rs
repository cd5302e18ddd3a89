use semver::Version;

use super::HostError;
use crate::plugin::{Dependency, Manifest, Needs, PluginId};
use crate::registry::Snapshot;
use crate::requirement::{AllowPre, Requirement};
use crate::resolve::{self, Node, ResolveError, Unmet, load_order};

/// The places in `manifests` in the order of loading, once all that they need is loaded or among them.
pub(super) fn order(
    loaded: &Snapshot<Manifest>,
    manifests: &[Manifest],
) -> Result<Vec<usize>, HostError> {
    let nodes: Vec<Node<PluginId>> = manifests.iter().map(node).collect::<Result<_, _>>()?;
    let waves = match load_order(&nodes, &relevant(loaded, manifests)?) {
        // Once more with all that are loaded, among which what was meant is looked for.
        Err(ResolveError::Unmet(_)) => {
            let all: Vec<_> = loaded
                .list()
                .map(|manifest| node(manifest))
                .collect::<Result<_, _>>()?;
            load_order(&nodes, &all)?
        }
        other => other?,
    };
    Ok(waves.into_iter().flatten().collect())
}

/// Of many loaded plugins few matter to new ones.
fn relevant(
    loaded: &Snapshot<Manifest>,
    manifests: &[Manifest],
) -> Result<Vec<Node<PluginId>>, HostError> {
    let mut relevant = Vec::new();
    for manifest in manifests {
        relevant.extend(loaded.get(&manifest.id));
        for dependency in &manifest.dependencies {
            relevant.extend(match &dependency.needs {
                Needs::Plugin(id) => loaded.get(id),
                // Another provider than a plugin that is not loaded yet: any of them.
                Needs::Capability(name) => loaded.find_by_capability(name).next(),
            });
        }
    }
    relevant
        .into_iter()
        .map(|manifest| node(manifest))
        .collect()
}

/// Checks a plugin that arrives against what a loaded one requires of it, which could do without.
pub(super) fn check_arrival(
    loaded: &Snapshot<Manifest>,
    id: &PluginId,
    version: &Version,
) -> Result<(), HostError> {
    for by in loaded.list() {
        for dependency in &by.dependencies {
            if !matches!(&dependency.needs, Needs::Plugin(needed) if needed == id) {
                continue;
            }
            match requirement(by, dependency)? {
                Some(requirement) if !requirement.matches(version, AllowPre::Yes) => {
                    return Err(HostError::Resolve(ResolveError::Unmet(vec![
                        Unmet::VersionMismatch {
                            by: by.id.clone(),
                            id: id.clone(),
                            requirement,
                            found: version.clone(),
                        },
                    ])));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The plugins that would miss something without this one, in load order.
pub(super) fn dependents(loaded: &Snapshot<Manifest>, id: &PluginId) -> Vec<PluginId> {
    let misses = |other: &Manifest, needs: &Needs| match needs {
        Needs::Plugin(needed) => needed == id,
        Needs::Capability(name) => {
            let mut providers = loaded
                .find_by_capability(name)
                .filter(|provider| provider.id != other.id);
            providers.next().is_some_and(|first| first.id == *id) && providers.next().is_none()
        }
    };
    loaded
        .list()
        .filter(|other| other.id != *id)
        .filter(|other| {
            let mut required = other.dependencies.iter().filter(|needed| !needed.optional);
            required.any(|dependency| misses(other, &dependency.needs))
        })
        .map(|other| other.id.clone())
        .collect()
}

/// A manifest as resolution sees it. Plugins and capabilities are told apart there, so that a capability can
/// go by the symbol of its name.
fn node(manifest: &Manifest) -> Result<Node<PluginId>, HostError> {
    let mut node = Node::new(manifest.id.clone(), manifest.version.clone());
    node.capabilities = manifest
        .capabilities
        .iter()
        .map(|capability| PluginId::symbol(capability.name.clone()))
        .collect();
    for dependency in &manifest.dependencies {
        let requirement = requirement(manifest, dependency)?;
        let mut needed = match (&dependency.needs, requirement) {
            (Needs::Plugin(id), requirement) => {
                resolve::Dependency::plugin(id.clone(), requirement)
            }
            (Needs::Capability(name), None) => {
                resolve::Dependency::capability(PluginId::symbol(name.clone()))
            }
            (Needs::Capability(name), Some(requirement)) => {
                return Err(HostError::VersionOfCapability {
                    plugin: manifest.id.clone(),
                    capability: name.clone(),
                    requirement: requirement.to_string(),
                });
            }
        };
        needed.optional = dependency.optional;
        node.dependencies.push(needed);
    }
    Ok(node)
}

fn requirement(
    manifest: &Manifest,
    dependency: &Dependency,
) -> Result<Option<Requirement>, HostError> {
    let Some(requirement) = &dependency.requirement else {
        return Ok(None);
    };
    match requirement.parse() {
        Ok(requirement) => Ok(Some(requirement)),
        Err(source) => Err(HostError::InvalidRequirement {
            plugin: manifest.id.clone(),
            needs: match &dependency.needs {
                Needs::Plugin(id) => id.clone(),
                Needs::Capability(name) => PluginId::symbol(name.clone()),
            },
            source: Box::new(source),
        }),
    }
}
