use super::{HostError, Requirements};
use crate::plugin::{Dependency, Manifest, Needs, PluginId};
use crate::registry::Snapshot;

/// Checks that all a plugin depends on is loaded.
pub(super) fn check(
    loaded: &Snapshot<Manifest>,
    manifest: &Manifest,
    requirements: &dyn Requirements,
) -> Result<(), HostError> {
    if loaded.contains(&manifest.id) {
        return Err(HostError::Duplicate(manifest.id.clone()));
    }
    for dependency in &manifest.dependencies {
        let fits = |found: &Manifest| fits(manifest, dependency, found, requirements);
        match &dependency.needs {
            Needs::Plugin(id) => match (loaded.get(id), dependency.optional) {
                (Some(found), _) if fits(found)? => {}
                (Some(found), _) => {
                    return Err(HostError::VersionMismatch {
                        plugin: manifest.id.clone(),
                        needs: id.clone(),
                        requirement: dependency.requirement.clone().unwrap_or_default(),
                        found: found.version.clone(),
                    });
                }
                (None, true) => {}
                (None, false) => {
                    let (plugin, needs) = (manifest.id.clone(), id.clone());
                    return Err(HostError::MissingPlugin { plugin, needs });
                }
            },
            Needs::Capability(name) => {
                let mut found = false;
                for entry in loaded.find_by_capability(name) {
                    found |= fits(entry)?;
                }
                if !found && !dependency.optional {
                    let (plugin, capability) = (manifest.id.clone(), name.clone());
                    return Err(HostError::MissingCapability { plugin, capability });
                }
            }
        }
    }
    Ok(())
}

/// The plugins that would miss something without this one, in load order.
pub(super) fn dependents(
    loaded: &Snapshot<Manifest>,
    id: &PluginId,
    requirements: &dyn Requirements,
) -> Result<Vec<PluginId>, HostError> {
    let mut dependents = Vec::new();
    for other in loaded.list().filter(|other| other.id != *id) {
        for dependency in other
            .dependencies
            .iter()
            .filter(|dependency| !dependency.optional)
        {
            let needed = match &dependency.needs {
                Needs::Plugin(needed) => needed == id,
                Needs::Capability(name) => {
                    let mut by_this = false;
                    let mut by_others = false;
                    for entry in loaded.find_by_capability(name) {
                        if fits(other, dependency, entry, requirements)? {
                            by_this |= entry.id == *id;
                            by_others |= entry.id != *id;
                        }
                    }
                    by_this && !by_others
                }
            };
            if needed && dependents.last() != Some(&other.id) {
                dependents.push(other.id.clone());
            }
        }
    }
    Ok(dependents)
}

fn fits(
    manifest: &Manifest,
    dependency: &Dependency,
    found: &Manifest,
    requirements: &dyn Requirements,
) -> Result<bool, HostError> {
    let Some(requirement) = &dependency.requirement else {
        return Ok(true);
    };
    requirements
        .is_met(&found.version, requirement)
        .map_err(|source| HostError::InvalidRequirement {
            plugin: manifest.id.clone(),
            requirement: requirement.clone(),
            source,
        })
}
