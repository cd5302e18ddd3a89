use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pubgrub::VersionSet;

use super::constraint::Constraint;
use super::universe::{MissingKind, NOT_TAKEN, Package, Universe};
use super::version_set::Bits;
use super::{Name, Step, Target};
use crate::requirement::Requirement;

/// Who bears on a package, and how, within a conflict.
pub(super) struct Bearing<'a> {
    pub(super) from: Package,
    pub(super) constraint: Option<Constraint>,
    /// Each wording of the demand, with the numbers of `from` that use it and the numbers it leaves.
    pub(super) wordings: Vec<Wording<'a>>,
}

pub(super) struct Wording<'a> {
    pub(super) requirement: Option<&'a Requirement>,
    pub(super) optional: bool,
    pub(super) numbers: Vec<usize>,
    pub(super) allowed: Bits,
}

impl Bearing<'_> {
    /// What any release of `from` leaves; a release leaves what all of its wordings leave.
    fn allowed(&self) -> Bits {
        let numbers: BTreeSet<usize> = self
            .wordings
            .iter()
            .flat_map(|wording| wording.numbers.iter().copied())
            .collect();
        numbers.iter().fold(Bits::empty(), |any, number| {
            let own = self
                .wordings
                .iter()
                .filter(|wording| wording.numbers.contains(number));
            any.union(&own.fold(Bits::full(), |all, wording| {
                all.intersection(&wording.allowed)
            }))
        })
    }
}

impl Wording<'_> {
    pub(super) fn leaves_nothing(&self) -> bool {
        self.allowed == Bits::empty()
    }
}

/// A conflict as a graph: for each package all that bears on it, and the way to each package from the root.
pub(super) struct Scene<'s, 'a, N> {
    pub(super) universe: &'s Universe<'a, N>,
    pub(super) bearings: BTreeMap<Package, Vec<Bearing<'a>>>,
    /// The step that led to a package, and where it was taken from.
    ways: BTreeMap<Package, (Package, Step<N>)>,
}

impl<'s, 'a, N: Name> Scene<'s, 'a, N> {
    pub(super) fn new(universe: &'s Universe<'a, N>, conflict: &BTreeSet<Constraint>) -> Self {
        let mut scene = Self {
            universe,
            bearings: BTreeMap::new(),
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
        // Outwards from the root. A plugin's versions are narrowed down by what is known of it when its turn comes.
        let mut queue = VecDeque::from([Package::Root]);
        while let Some(from) = queue.pop_front() {
            let mut reached = Vec::new();
            for &constraint in outgoing.get(&from).into_iter().flatten() {
                reached.extend(scene.bear(from, constraint));
            }
            if let Package::Capability { capability, except } = from {
                reached.extend(scene.bear_on_providers(from, capability, except, &outgoing));
            }
            for (target, step) in reached {
                if target != Package::Root && !scene.ways.contains_key(&target) {
                    scene.ways.insert(target, (from, step));
                    queue.push_back(target);
                }
            }
        }
        scene.refine();
        scene
    }

    /// Words the dependencies again, now that all that narrows a plugin down is known.
    fn refine(&mut self) {
        let targets: Vec<Package> = self.bearings.keys().copied().collect();
        for target in targets {
            for at in 0..self.bearings[&target].len() {
                let Some(Constraint::Dependency(plugin, _)) = self.bearings[&target][at].constraint
                else {
                    continue;
                };
                let wordings = self.wordings(plugin, target);
                if let Some(bearings) = self.bearings.get_mut(&target)
                    && !wordings.is_empty()
                {
                    bearings[at].wordings = wordings;
                }
            }
        }
    }

    /// Notes what a constraint bears on; returns the target with the step that leads to it.
    fn bear(&mut self, from: Package, constraint: Constraint) -> Option<(Package, Step<N>)> {
        let universe = self.universe;
        let (target, wordings) = match constraint {
            Constraint::Root(at) => {
                let root = &universe.request.roots[at];
                let target = universe.plugin(&root.id);
                let requirement = root.requirement.as_ref();
                let allowed = match target {
                    Package::Plugin(plugin) => universe.allowed(plugin, requirement),
                    _ => Bits::empty(),
                };
                (
                    target,
                    vec![Wording {
                        requirement,
                        optional: false,
                        numbers: vec![0],
                        allowed,
                    }],
                )
            }
            Constraint::Lock(plugin) => {
                let allowed = universe.plugins[plugin]
                    .locked
                    .clone()
                    .unwrap_or_else(Bits::full);
                let wording = Wording {
                    requirement: None,
                    optional: true,
                    numbers: vec![0],
                    allowed,
                };
                (Package::Plugin(plugin), vec![wording])
            }
            Constraint::Dependency(plugin, target) => (target, self.wordings(plugin, target)),
        };
        let requirement = wordings.first()?.requirement.cloned();
        // What is optional and what is locked leads nowhere: it does not ask for the plugin.
        let leads_on = wordings.iter().any(|wording| !wording.optional);
        let step = match target {
            Package::Root => return None,
            Package::Plugin(plugin) => {
                Step::Plugin(universe.plugins[plugin].id.clone(), requirement)
            }
            Package::Capability { capability, .. } => {
                Step::Capability(universe.capabilities[capability].name.clone())
            }
            Package::Missing(missing) => match universe.missing_name(missing) {
                (id, MissingKind::Plugin) => Step::Plugin(id.clone(), requirement),
                (name, MissingKind::Capability) => Step::Capability(name.clone()),
            },
        };
        self.bearings.entry(target).or_default().push(Bearing {
            from,
            constraint: Some(constraint),
            wordings,
        });
        leads_on.then_some((target, step))
    }

    /// What the possible releases of a plugin say about a target, by wording.
    fn wordings(&self, plugin: usize, target: Package) -> Vec<Wording<'a>> {
        let universe = self.universe;
        let mut wordings: Vec<Wording<'a>> = Vec::new();
        for number in self
            .left(plugin)
            .below(universe.plugins[plugin].limit())
            .filter(|&number| number != NOT_TAKEN)
        {
            let release = universe.plugins[plugin].releases[number - 1];
            for edge in universe
                .edges(plugin, release)
                .iter()
                .filter(|edge| edge.target == target)
            {
                let dependency = &universe.releases[release].dependencies[edge.dependency];
                let requirement = match &dependency.target {
                    Target::Plugin(_, requirement) => requirement.as_ref(),
                    Target::Capability(_) => None,
                };
                let same = wordings.iter_mut().find(|wording| {
                    wording.requirement == requirement && wording.optional == dependency.optional
                });
                match same {
                    Some(wording) => wording.numbers.push(number),
                    None => wordings.push(Wording {
                        requirement,
                        optional: dependency.optional,
                        numbers: vec![number],
                        allowed: edge.allowed.clone(),
                    }),
                }
            }
        }
        wordings
    }

    /// A capability bears on those of its providers that have a part in the conflict.
    fn bear_on_providers(
        &mut self,
        from: Package,
        capability: usize,
        except: Option<usize>,
        outgoing: &BTreeMap<Package, Vec<Constraint>>,
    ) -> Vec<(Package, Step<N>)> {
        let universe = self.universe;
        let mut reached = Vec::new();
        for (plugin, numbers) in &universe.capabilities[capability].providers {
            let provider = Package::Plugin(*plugin);
            let has_part = outgoing.contains_key(&provider)
                || outgoing
                    .values()
                    .flatten()
                    .any(|constraint| self.bears_on(*constraint, provider));
            if Some(*plugin) == except || !has_part || *numbers == Bits::empty() {
                continue;
            }
            let wording = Wording {
                requirement: None,
                optional: false,
                numbers: vec![0],
                allowed: numbers.clone(),
            };
            self.bearings.entry(provider).or_default().push(Bearing {
                from,
                constraint: None,
                wordings: vec![wording],
            });
            reached.push((
                provider,
                Step::Plugin(universe.plugins[*plugin].id.clone(), None),
            ));
        }
        reached
    }

    fn bears_on(&self, constraint: Constraint, target: Package) -> bool {
        match constraint {
            Constraint::Root(at) => {
                self.universe.plugin(&self.universe.request.roots[at].id) == target
            }
            Constraint::Lock(plugin) => Package::Plugin(plugin) == target,
            Constraint::Dependency(_, on) => on == target,
        }
    }

    /// The numbers of a plugin that all that bears on it leaves; all of them if that is none, for then the plugin itself
    /// is what is in trouble.
    fn left(&self, plugin: usize) -> Bits {
        let bearings = self
            .bearings
            .get(&Package::Plugin(plugin))
            .map_or(&[][..], Vec::as_slice);
        let left = intersection(bearings);
        if left
            .below(self.universe.plugins[plugin].limit())
            .any(|number| number != NOT_TAKEN)
        {
            left
        } else {
            Bits::full()
        }
    }

    pub(super) fn path(&self, to: Package) -> Vec<Step<N>> {
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

/// What all leave: of each, what any of its wordings leaves.
pub(super) fn intersection(bearings: &[Bearing<'_>]) -> Bits {
    bearings.iter().fold(Bits::full(), |left, bearing| {
        left.intersection(&bearing.allowed())
    })
}
