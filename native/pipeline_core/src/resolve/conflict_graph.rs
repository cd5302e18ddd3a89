use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pubgrub::VersionSet;

use super::constraint::Constraint;
use super::version_index::{MissingKind, NOT_TAKEN, Package, VersionIndex};
use super::version_set::Bits;
use super::{Identifier, PathStep, Target};
use crate::requirement::Requirement;

/// An edge of a conflict: one package restricts another.
pub(super) struct ConflictEdge<'a> {
    pub(super) from: Package,
    pub(super) constraint: Option<Constraint>,
    /// Each variant of the demand, with the numbers of `from` that use it and the numbers it leaves.
    pub(super) variants: Vec<RequirementVariant<'a>>,
}

pub(super) struct RequirementVariant<'a> {
    pub(super) requirement: Option<&'a Requirement>,
    pub(super) optional: bool,
    pub(super) numbers: Vec<usize>,
    pub(super) allowed: Bits,
}

impl ConflictEdge<'_> {
    /// The numbers that any release of `from` allows; a release allows what all of its variants allow.
    fn allowed(&self) -> Bits {
        let numbers: BTreeSet<usize> = self
            .variants
            .iter()
            .flat_map(|variant| variant.numbers.iter().copied())
            .collect();
        numbers.iter().fold(Bits::empty(), |any, number| {
            let own = self
                .variants
                .iter()
                .filter(|variant| variant.numbers.contains(number));
            any.union(&own.fold(Bits::full(), |all, variant| {
                all.intersection(&variant.allowed)
            }))
        })
    }
}

impl RequirementVariant<'_> {
    pub(super) fn leaves_nothing(&self) -> bool {
        self.allowed == Bits::empty()
    }
}

/// A conflict as a graph: for each package all that bears on it, and the way to each package from the root.
pub(super) struct ConflictGraph<'s, 'a, N> {
    pub(super) index: &'s VersionIndex<'a, N>,
    pub(super) edges: BTreeMap<Package, Vec<ConflictEdge<'a>>>,
    /// The step that led to a package, and where it was taken from.
    ways: BTreeMap<Package, (Package, PathStep<N>)>,
}

impl<'s, 'a, N: Identifier> ConflictGraph<'s, 'a, N> {
    pub(super) fn new(index: &'s VersionIndex<'a, N>, conflict: &BTreeSet<Constraint>) -> Self {
        let mut graph = Self {
            index,
            edges: BTreeMap::new(),
            ways: BTreeMap::new(),
        };
        let mut outgoing: BTreeMap<Package, Vec<Constraint>> = BTreeMap::new();
        for &constraint in conflict {
            let from = match constraint {
                Constraint::Dependency(plugin, _) => Package::Plugin(plugin),
                Constraint::Root(_) | Constraint::Lock(_) => Package::Root,
            };
            outgoing.entry(from).or_default().push(constraint);
        }
        // Outwards from the root. A plugin's versions are narrowed down by what is known of it when its turn
        // comes.
        let mut queue = VecDeque::from([Package::Root]);
        while let Some(from) = queue.pop_front() {
            let mut reached = Vec::new();
            for &constraint in outgoing.get(&from).into_iter().flatten() {
                reached.extend(graph.bear(from, constraint));
            }
            if let Package::Capability { capability, except } = from {
                reached.extend(graph.bear_on_providers(from, capability, except, &outgoing));
            }
            for (target, step) in reached {
                if target != Package::Root && !graph.ways.contains_key(&target) {
                    graph.ways.insert(target, (from, step));
                    queue.push_back(target);
                }
            }
        }
        graph.refine();
        graph
    }

    /// Words the dependencies again, now that all that narrows a plugin down is known.
    fn refine(&mut self) {
        let targets: Vec<Package> = self.edges.keys().copied().collect();
        for target in targets {
            for at in 0..self.edges[&target].len() {
                let Some(Constraint::Dependency(plugin, _)) = self.edges[&target][at].constraint
                else {
                    continue;
                };
                let variants = self.variants(plugin, target);
                if let Some(edges) = self.edges.get_mut(&target)
                    && !variants.is_empty()
                {
                    edges[at].variants = variants;
                }
            }
        }
    }

    /// Notes what a constraint bears on; returns the target with the step that leads to it.
    fn bear(&mut self, from: Package, constraint: Constraint) -> Option<(Package, PathStep<N>)> {
        let index = self.index;
        let (target, variants) = match constraint {
            Constraint::Root(at) => {
                let root = &index.request.roots[at];
                let target = index.plugin(&root.id);
                let requirement = root.requirement.as_ref();
                let allowed = match target {
                    Package::Plugin(plugin) => index.allowed(plugin, requirement),
                    _ => Bits::empty(),
                };
                (
                    target,
                    vec![RequirementVariant {
                        requirement,
                        optional: false,
                        numbers: vec![0],
                        allowed,
                    }],
                )
            }
            Constraint::Lock(plugin) => {
                let allowed = index.plugins[plugin]
                    .locked
                    .clone()
                    .unwrap_or_else(Bits::full);
                let variant = RequirementVariant {
                    requirement: None,
                    optional: true,
                    numbers: vec![0],
                    allowed,
                };
                (Package::Plugin(plugin), vec![variant])
            }
            Constraint::Dependency(plugin, target) => (target, self.variants(plugin, target)),
        };
        let requirement = variants.first()?.requirement.cloned();
        // Optional dependencies and locks lead nowhere: they do not ask for the plugin.
        let leads_on = variants.iter().any(|variant| !variant.optional);
        let step = match target {
            Package::Root => return None,
            Package::Plugin(plugin) => {
                PathStep::Plugin(index.plugins[plugin].id.clone(), requirement)
            }
            Package::Capability { capability, .. } => {
                PathStep::Capability(index.capabilities[capability].name.clone())
            }
            Package::Missing(missing) => match index.missing_name(missing) {
                (id, MissingKind::Plugin) => PathStep::Plugin(id.clone(), requirement),
                (name, MissingKind::Capability) => PathStep::Capability(name.clone()),
            },
        };
        self.edges.entry(target).or_default().push(ConflictEdge {
            from,
            constraint: Some(constraint),
            variants,
        });
        leads_on.then_some((target, step))
    }

    /// The requirements of the possible releases of a plugin on a target, each variant once.
    fn variants(&self, plugin: usize, target: Package) -> Vec<RequirementVariant<'a>> {
        let index = self.index;
        let mut variants: Vec<RequirementVariant<'a>> = Vec::new();
        for number in self
            .left(plugin)
            .below(index.plugins[plugin].limit())
            .filter(|&number| number != NOT_TAKEN)
        {
            let release = index.plugins[plugin].releases[number - 1];
            for edge in index
                .edges(plugin, release)
                .iter()
                .filter(|edge| edge.target == target)
            {
                let dependency = &index.releases[release].dependencies[edge.dependency];
                let requirement = match &dependency.target {
                    Target::Plugin(_, requirement) => requirement.as_ref(),
                    Target::Capability(_) => None,
                };
                let same = variants.iter_mut().find(|variant| {
                    variant.requirement == requirement && variant.optional == dependency.optional
                });
                match same {
                    Some(variant) => variant.numbers.push(number),
                    None => variants.push(RequirementVariant {
                        requirement,
                        optional: dependency.optional,
                        numbers: vec![number],
                        allowed: edge.allowed.clone(),
                    }),
                }
            }
        }
        variants
    }

    /// A capability bears on those of its providers that have a part in the conflict.
    fn bear_on_providers(
        &mut self,
        from: Package,
        capability: usize,
        except: Option<usize>,
        outgoing: &BTreeMap<Package, Vec<Constraint>>,
    ) -> Vec<(Package, PathStep<N>)> {
        let index = self.index;
        let mut reached = Vec::new();
        for (plugin, numbers) in &index.capabilities[capability].providers {
            let provider = Package::Plugin(*plugin);
            let has_part = outgoing.contains_key(&provider)
                || outgoing
                    .values()
                    .flatten()
                    .any(|constraint| self.bears_on(*constraint, provider));
            if Some(*plugin) == except || !has_part || *numbers == Bits::empty() {
                continue;
            }
            let variant = RequirementVariant {
                requirement: None,
                optional: false,
                numbers: vec![0],
                allowed: numbers.clone(),
            };
            self.edges.entry(provider).or_default().push(ConflictEdge {
                from,
                constraint: None,
                variants: vec![variant],
            });
            reached.push((
                provider,
                PathStep::Plugin(index.plugins[*plugin].id.clone(), None),
            ));
        }
        reached
    }

    fn bears_on(&self, constraint: Constraint, target: Package) -> bool {
        match constraint {
            Constraint::Root(at) => self.index.plugin(&self.index.request.roots[at].id) == target,
            Constraint::Lock(plugin) => Package::Plugin(plugin) == target,
            Constraint::Dependency(_, on) => on == target,
        }
    }

    /// The numbers of a plugin that all that bears on it leaves; all of them if that is none, for then the
    /// plugin itself is what is in trouble.
    fn left(&self, plugin: usize) -> Bits {
        let edges = self
            .edges
            .get(&Package::Plugin(plugin))
            .map_or(&[][..], Vec::as_slice);
        let left = intersection(edges);
        if left
            .below(self.index.plugins[plugin].limit())
            .any(|number| number != NOT_TAKEN)
        {
            left
        } else {
            Bits::full()
        }
    }

    pub(super) fn path(&self, to: Package) -> Vec<PathStep<N>> {
        let mut path = Vec::new();
        let mut at = to;
        while let Some((from, step)) = self.ways.get(&at) {
            path.push(step.clone());
            at = *from;
        }
        path.reverse();
        path
    }
}

/// The numbers that all edges allow.
pub(super) fn intersection(edges: &[ConflictEdge<'_>]) -> Bits {
    edges.iter().fold(Bits::full(), |left, edge| {
        left.intersection(&edge.allowed())
    })
}
