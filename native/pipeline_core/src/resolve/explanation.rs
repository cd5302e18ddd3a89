use std::collections::BTreeSet;

use pubgrub::VersionSet;
use semver::{Prerelease, Version};

use super::constraint::Constraint;
use super::scene::{Bearing, Scene, Wording, intersection};
use super::suggestion::Suggestions;
use super::universe::{MissingKind, Package, Universe};
use super::version_set::Bits;
use super::{Conflict, Demand, Demander, Name, Trouble};
use crate::requirement::AllowPre;

/// Puts a minimal conflict into the words of those who wrote its parts.
pub(super) fn explain<N: Name>(
    universe: &Universe<'_, N>,
    conflict: &BTreeSet<Constraint>,
) -> Conflict<N> {
    let scene = Scene::new(universe, conflict);
    let mut troubles: Vec<_> = scene
        .bearings
        .iter()
        .filter_map(|(&target, bearings)| scene.trouble(target, bearings))
        .collect();
    if troubles.is_empty() {
        // Each alone can be had: capabilities whose providers are versions of one plugin that exclude each other.
        let capabilities = scene.bearings.iter();
        troubles = capabilities
            .filter_map(|(&target, bearings)| scene.no_common_provider(target, bearings))
            .collect();
    }
    let mut roots = Vec::new();
    for constraint in conflict {
        if let Constraint::Root(at) = constraint {
            let id = &universe.request.roots[*at].id;
            if !roots.contains(id) {
                roots.push(id.clone());
            }
        }
    }
    Conflict { troubles, roots }
}

impl<'a, N: Name> Scene<'_, 'a, N> {
    fn trouble(&self, target: Package, bearings: &[Bearing<'a>]) -> Option<Trouble<N>> {
        let universe = self.universe;
        let demands = self.demands(target, bearings);
        // A plugin is of no help to itself.
        let asking: Vec<Option<usize>> = bearings
            .iter()
            .map(|bearing| match bearing.from {
                Package::Plugin(plugin) => Some(plugin),
                _ => None,
            })
            .collect();
        match target {
            Package::Root => None,
            Package::Missing(missing) => Some(match universe.missing_name(missing) {
                (id, MissingKind::Plugin) => {
                    let plugins = universe.plugins.iter().enumerate();
                    let known = plugins
                        .filter(|(_, plugin)| !plugin.releases.is_empty())
                        .map(|(at, plugin)| (at, plugin.id));
                    let helps = |plugin| asking.iter().any(|&by| by != Some(plugin));
                    let suggestion = Suggestions::among(known).closest(id, helps);
                    Trouble::MissingPlugin {
                        id: id.clone(),
                        suggestion,
                        demands,
                    }
                }
                (name, MissingKind::Capability) => {
                    let known = universe.capabilities.iter().enumerate();
                    let known = known.map(|(at, capability)| (at, capability.name));
                    let helps = |capability: usize| {
                        let providers = &universe.capabilities[capability].providers;
                        let other = |by| providers.iter().any(|(plugin, _)| Some(*plugin) != by);
                        asking.iter().any(|&by| other(by))
                    };
                    let suggestion = Suggestions::among(known).closest(name, helps);
                    let capability = name.clone();
                    Trouble::MissingCapability {
                        capability,
                        pre_releases: Vec::new(),
                        suggestion,
                        demands,
                    }
                }
            }),
            Package::Capability { capability, except } => {
                let capability = &universe.capabilities[capability];
                let others = || {
                    capability
                        .providers
                        .iter()
                        .filter(|(plugin, _)| Some(*plugin) != except)
                };
                if others().any(|(_, numbers)| *numbers != Bits::empty()) {
                    return None;
                }
                let releases = others().flat_map(|(plugin, _)| &universe.plugins[*plugin].releases);
                let pre_releases = releases
                    .map(|&release| &universe.releases[release])
                    .filter(|release| release.capabilities.contains(capability.name))
                    .map(|release| (release.id.clone(), release.version.clone()))
                    .collect();
                let capability = capability.name.clone();
                Some(Trouble::MissingCapability {
                    capability,
                    pre_releases,
                    suggestion: None,
                    demands,
                })
            }
            Package::Plugin(plugin) => self.version_trouble(plugin, bearings, demands),
        }
    }

    fn no_common_provider(&self, target: Package, bearings: &[Bearing<'a>]) -> Option<Trouble<N>> {
        let Package::Capability { capability, except } = target else {
            return None;
        };
        let capability = &self.universe.capabilities[capability];
        let plugins = capability.providers.iter().map(|(plugin, _)| *plugin);
        let providers = plugins
            .filter(|plugin| Some(*plugin) != except)
            .flat_map(|plugin| &self.universe.plugins[plugin].releases)
            .map(|&release| &self.universe.releases[release])
            .filter(|release| release.capabilities.contains(capability.name))
            .map(|release| (release.id.clone(), release.version.clone()))
            .collect();
        Some(Trouble::NoCommonProvider {
            capability: capability.name.clone(),
            providers,
            demands: self.demands(target, bearings),
        })
    }

    fn version_trouble(
        &self,
        plugin: usize,
        bearings: &[Bearing<'a>],
        demands: Vec<Demand<N>>,
    ) -> Option<Trouble<N>> {
        let id = self.universe.plugins[plugin].id.clone();
        let available = self.versions(plugin, |_| true);
        let left = intersection(bearings);
        let left = self.versions(plugin, |number| left.contains(&number));
        match bearings {
            [_] if !left.is_empty() => None,
            _ if !left.is_empty() => Some(Trouble::Narrowed {
                id,
                available,
                left,
                demands,
            }),
            [only] if only.wordings.iter().any(Wording::leaves_nothing) => {
                let accepts = |version: &Version| {
                    only.wordings
                        .iter()
                        .filter(|wording| wording.leaves_nothing())
                        .any(|wording| {
                            wording.requirement.is_none_or(|requirement| {
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
                    Trouble::NoVersion {
                        id,
                        available,
                        demands,
                    }
                } else {
                    Trouble::PreReleaseOnly {
                        id,
                        pre_releases: fitting,
                        lockable,
                        demands,
                    }
                })
            }
            _ => Some(Trouble::Disagreement {
                id,
                available,
                demands,
            }),
        }
    }

    fn versions(&self, plugin: usize, test: impl Fn(usize) -> bool) -> Vec<Version> {
        let releases = self.universe.plugins[plugin].releases.iter().enumerate();
        releases
            .filter(|(at, _)| test(at + 1))
            .map(|(_, &at)| self.universe.releases[at].version.clone())
            .collect()
    }

    fn demands(&self, target: Package, bearings: &[Bearing<'a>]) -> Vec<Demand<N>> {
        let universe = self.universe;
        let each = bearings.iter().flat_map(|bearing| {
            bearing
                .wordings
                .iter()
                .map(move |wording| (bearing, wording))
        });
        each.map(|(bearing, wording)| {
            let by = match (bearing.from, bearing.constraint, target) {
                (_, Some(Constraint::Lock(plugin)), _) => {
                    let version = universe.request.locked.get(universe.plugins[plugin].id);
                    version.map_or(Demander::Application, |version| {
                        Demander::Lock(version.clone())
                    })
                }
                (Package::Plugin(plugin), ..) => Demander::Plugin {
                    id: universe.plugins[plugin].id.clone(),
                    versions: self.versions(plugin, |number| wording.numbers.contains(&number)),
                },
                (Package::Capability { capability, .. }, _, Package::Plugin(provider)) => {
                    Demander::Capability {
                        capability: universe.capabilities[capability].name.clone(),
                        versions: self
                            .versions(provider, |number| wording.allowed.contains(&number)),
                    }
                }
                _ => Demander::Application,
            };
            Demand {
                by,
                requirement: wording.requirement.cloned(),
                optional: wording.optional,
                path: self.path(bearing.from),
            }
        })
        .collect()
    }
}
