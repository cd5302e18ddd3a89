use std::cell::{OnceCell, RefCell};
use std::cmp::Ordering;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use pubgrub::VersionSet;
use semver::Version;

use super::version_set::Bits;
use super::{Identifier, Node, Request, Root, SolveError, Target};
use crate::requirement::{AllowPre, Requirement};

/// A package of the solver, which chooses a number for each.
///
/// - `Root`: the application; its only number is 0.
/// - `Plugin`: 0 is "not taken", above that its versions, ascending.
/// - `Capability`: the provider, by its place in [`IndexedCapability::providers`]; `except` is the plugin
///   that asks and cannot serve itself.
/// - `Missing`: a name that nothing has; no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Package {
    Root,
    Plugin(usize),
    Capability {
        capability: usize,
        except: Option<usize>,
    },
    Missing(usize),
}

/// The "version" of a plugin that is not taken.
pub(super) const NOT_TAKEN: usize = 0;

/// All releases, by number.
pub(super) struct VersionIndex<'a, N> {
    pub(super) releases: &'a [Node<N>],
    pub(super) request: &'a Request<N>,
    pub(super) plugins: Vec<IndexedPlugin<'a, N>>,
    pub(super) capabilities: Vec<IndexedCapability<'a, N>>,
    plugin_of: HashMap<&'a N, usize, RandomState>,
    capability_of: HashMap<&'a N, usize, RandomState>,
    missing: RefCell<Vec<(&'a N, MissingKind)>>,
    missing_of: RefCell<HashMap<(&'a N, MissingKind), usize, RandomState>>,
    /// The edges of each release, worked out when the solver first looks at it: most are never looked at.
    edges: Vec<OnceCell<Vec<ReleaseDependency>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum MissingKind {
    Plugin,
    Capability,
}

/// The releases of one id.
pub(super) struct IndexedPlugin<'a, N> {
    pub(super) id: &'a N,
    /// Indices of the releases, versions ascending; the one at `n` has the number `n + 1`.
    pub(super) releases: Vec<usize>,
    /// Pre-releases that take part in any case: locked, loaded, or named by a root requirement.
    admitted: Bits,
    /// The numbers that a lock leaves.
    pub(super) locked: Option<Bits>,
    pub(super) loaded: Option<usize>,
}

/// A capability that some release provides.
pub(super) struct IndexedCapability<'a, N> {
    pub(super) name: &'a N,
    /// Plugins with the numbers of those releases that provide it, the most welcome first.
    pub(super) providers: Vec<(usize, Bits)>,
}

/// A dependency of a release, as numbers.
pub(super) struct ReleaseDependency {
    /// Its place in the release's list.
    pub(super) dependency: usize,
    pub(super) target: Package,
    pub(super) allowed: Bits,
}

impl<N> IndexedPlugin<'_, N> {
    /// One more than the highest number.
    pub(super) fn limit(&self) -> usize {
        self.releases.len() + 1
    }
}

impl<'a, N: Identifier> VersionIndex<'a, N> {
    pub(super) fn new(
        releases: &'a [Node<N>],
        request: &'a Request<N>,
    ) -> Result<Self, SolveError<N>> {
        let mut plugins: Vec<IndexedPlugin<'a, N>> = Vec::new();
        let mut plugin_of = HashMap::default();
        // Roots first, so that the order in which things are tried follows the request.
        for root in &request.roots {
            plugin_of.entry(&root.id).or_insert_with(|| {
                plugins.push(IndexedPlugin::new(&root.id));
                plugins.len() - 1
            });
        }
        for (at, release) in releases.iter().enumerate() {
            let plugin = *plugin_of.entry(&release.id).or_insert_with(|| {
                plugins.push(IndexedPlugin::new(&release.id));
                plugins.len() - 1
            });
            plugins[plugin].releases.push(at);
        }
        let mut this = Self {
            releases,
            request,
            plugins,
            capabilities: Vec::new(),
            plugin_of,
            capability_of: HashMap::default(),
            missing: RefCell::default(),
            missing_of: RefCell::default(),
            edges: releases.iter().map(|_| OnceCell::new()).collect(),
        };
        this.sort_versions()?;
        this.admit();
        this.collect_capabilities();
        Ok(this)
    }

    fn sort_versions(&mut self) -> Result<(), SolveError<N>> {
        let releases = self.releases;
        for plugin in &mut self.plugins {
            // `Version`'s own order: precedence, then build metadata.
            plugin
                .releases
                .sort_by(|&a, &b| releases[a].version.cmp(&releases[b].version));
            let twin = plugin
                .releases
                .windows(2)
                .find(|pair| releases[pair[0]].version == releases[pair[1]].version);
            if let Some(pair) = twin {
                let Node { id, version, .. } = &releases[pair[0]];
                return Err(SolveError::DuplicateRelease {
                    id: id.clone(),
                    version: version.clone(),
                });
            }
        }
        Ok(())
    }

    fn admit(&mut self) {
        let Self {
            releases,
            request,
            plugins,
            plugin_of,
            ..
        } = self;
        let numbers = |plugin: &IndexedPlugin<'_, N>, version: &Version| {
            let of = |test: &dyn Fn(&Version) -> bool| {
                Bits::of(plugin.limit(), |n| {
                    n > 0 && test(&releases[plugin.releases[n - 1]].version)
                })
            };
            let exact = of(&|candidate| candidate == version);
            if exact == Bits::empty() {
                of(&|candidate| candidate.cmp_precedence(version) == Ordering::Equal)
            } else {
                exact
            }
        };
        for (id, version) in &request.locked {
            if let Some(&at) = plugin_of.get(id) {
                let locked = numbers(&plugins[at], version);
                plugins[at].admitted = plugins[at].admitted.union(&locked);
                plugins[at].locked = Some(locked.with(NOT_TAKEN));
            }
        }
        for (id, version) in &request.loaded {
            if let Some(&at) = plugin_of.get(id) {
                let loaded = numbers(&plugins[at], version);
                plugins[at].loaded = loaded.below(plugins[at].limit()).next();
                plugins[at].admitted = plugins[at].admitted.union(&loaded);
            }
        }
        for Root { id, requirement } in &request.roots {
            let Some(requirement) = requirement
                .as_ref()
                .filter(|requirement| requirement.names_pre_release())
            else {
                continue;
            };
            if let Some(&at) = plugin_of.get(id) {
                let plugin = &mut plugins[at];
                let named = Bits::of(plugin.limit(), |n| {
                    n > 0
                        && requirement
                            .matches(&releases[plugin.releases[n - 1]].version, AllowPre::No)
                });
                plugin.admitted = plugin.admitted.union(&named);
            }
        }
    }

    fn collect_capabilities(&mut self) {
        let mut capabilities: Vec<IndexedCapability<'a, N>> = Vec::new();
        for (at, plugin) in self.plugins.iter().enumerate() {
            for (n, &release) in plugin.releases.iter().enumerate() {
                for name in &self.releases[release].capabilities {
                    let capability = *self.capability_of.entry(name).or_insert_with(|| {
                        capabilities.push(IndexedCapability {
                            name,
                            providers: Vec::new(),
                        });
                        capabilities.len() - 1
                    });
                    let providers = &mut capabilities[capability].providers;
                    if providers.last().is_none_or(|(plugin, _)| *plugin != at) {
                        providers.push((at, Bits::empty()));
                    }
                    if let Some((_, numbers)) = providers.last_mut() {
                        let stable = self.releases[release].version.pre.is_empty();
                        if stable || plugin.admitted.contains(&(n + 1)) {
                            *numbers = numbers.with(n + 1);
                        }
                    }
                }
            }
        }
        self.capabilities = capabilities;
        // Loaded plugins first; then the roots, which stand at the front of the list.
        for capability in &mut self.capabilities {
            capability
                .providers
                .sort_by_key(|(plugin, _)| (self.plugins[*plugin].loaded.is_none(), *plugin));
        }
    }

    /// The rule on pre-releases that [`solve`](super::solve) documents.
    fn is_eligible(
        &self,
        plugin: &IndexedPlugin<'_, N>,
        number: usize,
        requirement: Option<&Requirement>,
    ) -> bool {
        let version = &self.releases[plugin.releases[number - 1]].version;
        if version.pre.is_empty() || plugin.admitted.contains(&number) {
            requirement.is_none_or(|requirement| requirement.matches(version, AllowPre::Yes))
        } else {
            requirement.is_some_and(|requirement| {
                requirement.names_pre_release() && requirement.matches(version, AllowPre::No)
            })
        }
    }

    /// The numbers of a plugin that a requirement leaves.
    pub(super) fn allowed(&self, plugin: usize, requirement: Option<&Requirement>) -> Bits {
        let plugin = &self.plugins[plugin];
        Bits::of(plugin.limit(), |n| {
            n > 0 && self.is_eligible(plugin, n, requirement)
        })
    }

    pub(super) fn plugin(&self, id: &'a N) -> Package {
        match self.plugin_of.get(id) {
            Some(&at) if !self.plugins[at].releases.is_empty() => Package::Plugin(at),
            _ => self.missing(id, MissingKind::Plugin),
        }
    }

    fn missing(&self, name: &'a N, kind: MissingKind) -> Package {
        Package::Missing(
            *self
                .missing_of
                .borrow_mut()
                .entry((name, kind))
                .or_insert_with(|| {
                    self.missing.borrow_mut().push((name, kind));
                    self.missing.borrow().len() - 1
                }),
        )
    }

    /// The name and kind of a [`Package::Missing`].
    pub(super) fn missing_name(&self, missing: usize) -> (&'a N, MissingKind) {
        self.missing.borrow()[missing]
    }

    /// The edges of a release. A dependency on itself is left to the load order, which refuses it; an
    /// optional one on a name that nothing has, or on a capability, constrains nothing.
    pub(super) fn edges(&self, plugin: usize, release: usize) -> &[ReleaseDependency] {
        self.edges[release].get_or_init(|| {
            let dependencies = self.releases[release].dependencies.iter().enumerate();
            dependencies
                .filter_map(|(dependency, declared)| {
                    let (target, allowed) = match &declared.target {
                        Target::Plugin(id, requirement) => match self.plugin(id) {
                            Package::Plugin(on) if on == plugin => return None,
                            Package::Plugin(on) => {
                                let allowed = self.allowed(on, requirement.as_ref());
                                let allowed = if declared.optional {
                                    allowed.with(NOT_TAKEN)
                                } else {
                                    allowed
                                };
                                (Package::Plugin(on), allowed)
                            }
                            _ if declared.optional => return None,
                            missing => (missing, Bits::full()),
                        },
                        Target::Capability(_) if declared.optional => return None,
                        Target::Capability(name) => match self.capability_of.get(name) {
                            None => (self.missing(name, MissingKind::Capability), Bits::full()),
                            Some(&capability) => {
                                let mut providers = self.capabilities[capability].providers.iter();
                                let except = providers
                                    .any(|(provider, _)| *provider == plugin)
                                    .then_some(plugin);
                                (Package::Capability { capability, except }, Bits::full())
                            }
                        },
                    };
                    Some(ReleaseDependency {
                        dependency,
                        target,
                        allowed,
                    })
                })
                .collect()
        })
    }
}

impl<'a, N> IndexedPlugin<'a, N> {
    fn new(id: &'a N) -> Self {
        Self {
            id,
            releases: Vec::new(),
            admitted: Bits::empty(),
            locked: None,
            loaded: None,
        }
    }
}
