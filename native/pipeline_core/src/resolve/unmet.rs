use std::collections::HashMap;

use semver::Version;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::suggestion::{Suggestions, did_you_mean};
use super::targets::Targets;
use super::{Name, Node, Target};
use crate::requirement::{AllowPre, Requirement};

/// A dependency that what is there does not meet.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmet<N: Name> {
    /// No plugin has the id.
    #[error(
        "{by} needs {id}{}, which is not there: load {id} as well, or leave {by} out.{}",
        spaced(.requirement.as_ref()),
        did_you_mean(.suggestion.as_ref())
    )]
    MissingPlugin {
        /// The plugin that declares the dependency.
        by: N,
        /// The plugin it needs.
        id: N,
        /// The version it asks for.
        requirement: Option<Requirement>,
        /// A known id that resembles it.
        suggestion: Option<N>,
    },
    /// No other plugin provides the capability.
    #[error(
        "{by} needs the capability {capability}, which no other plugin provides: load one that does, or leave {by} out.{}",
        did_you_mean(.suggestion.as_ref())
    )]
    MissingCapability {
        /// The plugin that declares the dependency.
        by: N,
        /// The capability it needs.
        capability: N,
        /// A provided capability that resembles it.
        suggestion: Option<N>,
    },
    /// The plugin is there in a version that the requirement does not accept. Also for optional dependencies.
    #[error(
        "{by} needs {id} {requirement}, but {id} {found} is there: load a version that matches, or relax the requirement in {by}."
    )]
    VersionMismatch {
        /// The plugin that declares the dependency.
        by: N,
        /// The plugin it depends on.
        id: N,
        /// The version it asks for.
        requirement: Requirement,
        /// The version that is there.
        found: Version,
    },
}

fn spaced(requirement: Option<&Requirement>) -> String {
    requirement
        .map(|requirement| format!(" {requirement}"))
        .unwrap_or_default()
}

/// One sentence on its own, several as a list.
pub(super) fn listed<N: Name>(unmet: &[Unmet<N>]) -> String {
    if let [only] = unmet {
        return only.to_string();
    }
    let mut list = format!("{} dependencies are not met:", unmet.len());
    for unmet in unmet {
        list.push_str("\n  ");
        list.push_str(&unmet.to_string());
    }
    list
}

/// All dependencies of `nodes` that neither `nodes` nor `present` meet, and those of `present` that `nodes` would break: an
/// optional dependency can have been met by nothing so far.
///
/// Versions compare by plain precedence: what is there is there, pre-release or not.
pub(super) fn unmet<N: Name>(
    nodes: &[Node<N>],
    present: &[Node<N>],
    targets: &Targets,
) -> Vec<Unmet<N>> {
    let everything = || nodes.iter().chain(present);
    let at = |at: usize| nodes.get(at).unwrap_or_else(|| &present[at - nodes.len()]);
    let mut providers: HashMap<&N, Providers<'_, N>> = HashMap::new();
    for node in everything() {
        for capability in &node.capabilities {
            providers
                .entry(capability)
                .or_insert(Providers {
                    first: &node.id,
                    more: false,
                })
                .add(&node.id);
        }
    }

    let mut unmet = Vec::new();
    let mut ids = None;
    let mut capabilities = None;
    let mut targets = targets.iter();
    for node in nodes {
        let by = &node.id;
        for (dependency, &target) in node.dependencies.iter().zip(&mut targets) {
            match &dependency.target {
                Target::Plugin(id, requirement) => match target.map(at) {
                    None if dependency.optional => {}
                    None => unmet.push(Unmet::MissingPlugin {
                        by: by.clone(),
                        id: id.clone(),
                        requirement: requirement.clone(),
                        suggestion: ids
                            .get_or_insert_with(|| {
                                Suggestions::among(everything().map(|node| &node.id))
                            })
                            .closest(id),
                    }),
                    Some(there) => unmet.extend(
                        requirement
                            .as_ref()
                            .filter(|requirement| {
                                !requirement.matches(&there.version, AllowPre::Yes)
                            })
                            .map(|requirement| Unmet::VersionMismatch {
                                by: by.clone(),
                                id: id.clone(),
                                requirement: requirement.clone(),
                                found: there.version.clone(),
                            }),
                    ),
                },
                Target::Capability(capability) => {
                    let met = providers
                        .get(capability)
                        .is_some_and(|providers| providers.other_than(by));
                    if !met && !dependency.optional {
                        unmet.push(Unmet::MissingCapability {
                            by: by.clone(),
                            capability: capability.clone(),
                            suggestion: capabilities
                                .get_or_insert_with(|| {
                                    Suggestions::among(providers.keys().copied())
                                })
                                .closest(capability),
                        });
                    }
                }
            }
        }
    }
    unmet.extend(broken(nodes, present));
    unmet
}

fn broken<N: Name>(nodes: &[Node<N>], present: &[Node<N>]) -> Vec<Unmet<N>> {
    let named = present.iter().flat_map(|by| {
        by.dependencies
            .iter()
            .filter_map(move |dependency| match &dependency.target {
                Target::Plugin(id, Some(requirement)) => Some((by, id, requirement)),
                _ => None,
            })
    });
    let mut coming: Option<HashMap<&N, &Version>> = None;
    let mut broken = Vec::new();
    for (by, id, requirement) in named {
        let coming = coming.get_or_insert_with(|| {
            let versions = nodes.iter().map(|node| (&node.id, &node.version));
            versions.collect()
        });
        if let Some(&found) = coming.get(id)
            && !requirement.matches(found, AllowPre::Yes)
        {
            broken.push(Unmet::VersionMismatch {
                by: by.id.clone(),
                id: id.clone(),
                requirement: requirement.clone(),
                found: found.clone(),
            });
        }
    }
    broken
}

/// As much of a capability's providers as decides whether a plugin has another one than itself.
struct Providers<'a, N> {
    first: &'a N,
    more: bool,
}

impl<N: Eq> Providers<'_, N> {
    fn add(&mut self, id: &N) {
        self.more |= self.first != id;
    }

    fn other_than(&self, id: &N) -> bool {
        self.more || self.first != id
    }
}
