use std::collections::BTreeSet;

use pubgrub::VersionSet;
use semver::{Prerelease, Version};

use super::conflict_graph::{ConflictEdge, ConflictGraph, RequirementVariant, intersection};
use super::constraint::Constraint;
use super::version_index::{MissingKind, Package, VersionIndex};
use super::version_set::Bits;
use super::{CauseKind, Conflict, ConflictCause, Demand, Demander, Identifier};
use crate::did_you_mean::Suggestions;
use crate::requirement::AllowPre;

/// Puts a minimal conflict into the words of its authors.
pub(super) fn explain<N: Identifier>(
    index: &VersionIndex<'_, N>,
    conflict: &BTreeSet<Constraint>,
) -> Conflict<N> {
    let graph = ConflictGraph::new(index, conflict);
    let mut causes: Vec<_> = graph
        .edges
        .iter()
        .filter_map(|(&target, edges)| graph.cause(target, edges))
        .collect();
    if causes.is_empty() {
        // Each alone can be had: capabilities whose providers are versions of one plugin that exclude each
        // other.
        let capabilities = graph.edges.iter();
        causes = capabilities
            .filter_map(|(&target, edges)| graph.no_common_provider(target, edges))
            .collect();
    }
    let mut roots = Vec::new();
    for constraint in conflict {
        if let Constraint::Root(at) = constraint {
            let id = &index.request.roots[*at].id;
            if !roots.contains(id) {
                roots.push(id.clone());
            }
        }
    }
    Conflict { causes, roots }
}

impl<'a, N: Identifier> ConflictGraph<'_, 'a, N> {
    fn cause(&self, target: Package, edges: &[ConflictEdge<'a>]) -> Option<ConflictCause<N>> {
        let index = self.index;
        let cause = |name: &N, kind| {
            Some(ConflictCause {
                name: name.clone(),
                kind,
                demands: self.demands(target, edges),
            })
        };
        // A plugin is of no help to itself.
        let asking: Vec<Option<usize>> = edges
            .iter()
            .map(|edge| match edge.from {
                Package::Plugin(plugin) => Some(plugin),
                _ => None,
            })
            .collect();
        match target {
            Package::Root => None,
            Package::Missing(missing) => match index.missing_name(missing) {
                (id, MissingKind::Plugin) => {
                    let plugins = index.plugins.iter().enumerate();
                    let known = plugins
                        .filter(|(_, plugin)| !plugin.releases.is_empty())
                        .map(|(at, plugin)| (at, plugin.id));
                    let helps = |plugin| asking.iter().any(|&by| by != Some(plugin));
                    let suggestion = Suggestions::among(known).closest(id, helps);
                    cause(id, CauseKind::MissingPlugin { suggestion })
                }
                (name, MissingKind::Capability) => {
                    let known = index.capabilities.iter().enumerate();
                    let known = known.map(|(at, capability)| (at, capability.name));
                    let helps = |capability: usize| {
                        let providers = &index.capabilities[capability].providers;
                        let other = |by| providers.iter().any(|(plugin, _)| Some(*plugin) != by);
                        asking.iter().any(|&by| other(by))
                    };
                    let suggestion = Suggestions::among(known).closest(name, helps);
                    let pre_releases = Vec::new();
                    let kind = CauseKind::MissingCapability {
                        pre_releases,
                        suggestion,
                    };
                    cause(name, kind)
                }
            },
            Package::Capability { capability, except } => {
                let capability = &index.capabilities[capability];
                let others = || {
                    capability
                        .providers
                        .iter()
                        .filter(|(plugin, _)| Some(*plugin) != except)
                };
                if others().any(|(_, numbers)| *numbers != Bits::empty()) {
                    return None;
                }
                let releases = others().flat_map(|(plugin, _)| &index.plugins[*plugin].releases);
                let pre_releases = releases
                    .map(|&release| &index.releases[release])
                    .filter(|release| release.capabilities.contains(capability.name))
                    .map(|release| (release.id.clone(), release.version.clone()))
                    .collect();
                let kind = CauseKind::MissingCapability {
                    pre_releases,
                    suggestion: None,
                };
                cause(capability.name, kind)
            }
            Package::Plugin(plugin) => self
                .version_cause(plugin, edges)
                .and_then(|kind| cause(index.plugins[plugin].id, kind)),
        }
    }

    fn no_common_provider(
        &self,
        target: Package,
        edges: &[ConflictEdge<'a>],
    ) -> Option<ConflictCause<N>> {
        let Package::Capability { capability, except } = target else {
            return None;
        };
        let capability = &self.index.capabilities[capability];
        let plugins = capability.providers.iter().map(|(plugin, _)| *plugin);
        let providers = plugins
            .filter(|plugin| Some(*plugin) != except)
            .flat_map(|plugin| &self.index.plugins[plugin].releases)
            .map(|&release| &self.index.releases[release])
            .filter(|release| release.capabilities.contains(capability.name))
            .map(|release| (release.id.clone(), release.version.clone()))
            .collect();
        Some(ConflictCause {
            name: capability.name.clone(),
            kind: CauseKind::NoCommonProvider { providers },
            demands: self.demands(target, edges),
        })
    }

    fn version_cause(&self, plugin: usize, edges: &[ConflictEdge<'a>]) -> Option<CauseKind<N>> {
        let available = self.versions(plugin, |_| true);
        let left = intersection(edges);
        let left = self.versions(plugin, |number| left.contains(&number));
        match edges {
            [_] if !left.is_empty() => None,
            _ if !left.is_empty() => Some(CauseKind::Narrowed { available, left }),
            [only] if only.variants.iter().any(RequirementVariant::leaves_nothing) => {
                let accepts = |version: &Version| {
                    only.variants
                        .iter()
                        .filter(|variant| variant.leaves_nothing())
                        .any(|variant| {
                            variant.requirement.is_none_or(|requirement| {
                                requirement.matches(version, AllowPre::Yes)
                            })
                        })
                };
                let pre_releases = || available.iter().filter(|version| !version.pre.is_empty());
                let lockable = pre_releases().rfind(|version| accepts(version)).cloned();
                // To a reader 2.0.0-rc.1 is what there is of a 2.0, though it comes before 2.0.0.
                let release = |version: &Version| Version {
                    pre: Prerelease::EMPTY,
                    ..version.clone()
                };
                let fitting: Vec<Version> = pre_releases()
                    .filter(|version| accepts(version) || accepts(&release(version)))
                    .cloned()
                    .collect();
                Some(if fitting.is_empty() {
                    CauseKind::NoVersion { available }
                } else {
                    CauseKind::PreReleaseOnly {
                        pre_releases: fitting,
                        lockable,
                    }
                })
            }
            _ => Some(CauseKind::Disagreement { available }),
        }
    }

    fn versions(&self, plugin: usize, test: impl Fn(usize) -> bool) -> Vec<Version> {
        let releases = self.index.plugins[plugin].releases.iter().enumerate();
        releases
            .filter(|(at, _)| test(at + 1))
            .map(|(_, &at)| self.index.releases[at].version.clone())
            .collect()
    }

    fn demands(&self, target: Package, edges: &[ConflictEdge<'a>]) -> Vec<Demand<N>> {
        let index = self.index;
        let each = edges
            .iter()
            .flat_map(|edge| edge.variants.iter().map(move |variant| (edge, variant)));
        each.map(|(edge, variant)| {
            let by = match (edge.from, edge.constraint, target) {
                (_, Some(Constraint::Lock(plugin)), _) => {
                    let version = index.request.locked.get(index.plugins[plugin].id);
                    version.map_or(Demander::Application, |version| {
                        Demander::Lock(version.clone())
                    })
                }
                (Package::Plugin(plugin), ..) => Demander::Plugin {
                    id: index.plugins[plugin].id.clone(),
                    versions: self.versions(plugin, |number| variant.numbers.contains(&number)),
                },
                (Package::Capability { capability, .. }, _, Package::Plugin(provider)) => {
                    Demander::Capability {
                        capability: index.capabilities[capability].name.clone(),
                        versions: self
                            .versions(provider, |number| variant.allowed.contains(&number)),
                    }
                }
                _ => Demander::Application,
            };
            Demand {
                by,
                requirement: variant.requirement.cloned(),
                optional: variant.optional,
                path: self.path(edge.from),
            }
        })
        .collect()
    }
}
