use std::collections::HashMap;

use foldhash::fast::RandomState;
use semver::Version;

use super::{Draft, Name, Need, Node, Roster, Target};
use crate::requirement::Requirement;

/// The numbers of plugins that come with names; what a [`Roster`] of them is made of.
pub(super) struct Numbering<'a, N> {
    draft: Draft,
    names: Vec<&'a N>,
    versions: Vec<&'a Version>,
    requirements: Vec<&'a Requirement>,
}

impl<'a, N: Name> Numbering<'a, N> {
    /// Looks each name up once; all that comes after works with numbers. Versions and requirements are not compared.
    pub(super) fn new(nodes: &'a [Node<N>], present: &'a [Node<N>]) -> Self {
        let count = nodes.len() + present.len();
        let needs = nodes.iter().chain(present);
        let needs = needs.map(|node| node.dependencies.len()).sum();
        let mut names = Names::with_capacity(count);
        let mut versions = Vec::with_capacity(count);
        let mut requirements = Vec::with_capacity(needs);
        let mut draft = Draft::default();
        // Ids first: the names that are looked up most often lie beside each other.
        let ids: Vec<u32> = nodes
            .iter()
            .chain(present)
            .map(|node| names.number(&node.id))
            .collect();
        for (at, (node, id)) in nodes.iter().chain(present).zip(ids).enumerate() {
            if at == nodes.len() {
                draft.rest_is_present();
            }
            draft.plugin(id, number(versions.len()));
            versions.push(&node.version);
            for capability in &node.capabilities {
                draft.provides(names.number(capability));
            }
            for dependency in &node.dependencies {
                let need = match &dependency.target {
                    Target::Plugin(id, None) => Need::plugin(names.number(id), None),
                    Target::Plugin(id, Some(requirement)) => {
                        requirements.push(requirement);
                        Need::plugin(names.number(id), Some(number(requirements.len() - 1)))
                    }
                    Target::Capability(capability) => Need::capability(names.number(capability)),
                };
                draft.needs(need.optional(dependency.optional));
            }
        }
        Self {
            draft,
            names: names.names,
            versions,
            requirements,
        }
    }

    pub(super) fn roster(&self) -> Roster<'_, N> {
        Roster::numbered(&self.draft, &self.names, &self.versions, &self.requirements)
    }
}

struct Names<'a, N> {
    names: Vec<&'a N>,
    numbers: HashMap<&'a N, u32, RandomState>,
}

impl<'a, N: Name> Names<'a, N> {
    fn with_capacity(count: usize) -> Self {
        Self {
            names: Vec::with_capacity(count),
            numbers: HashMap::with_capacity_and_hasher(count, RandomState::default()),
        }
    }

    fn number(&mut self, name: &'a N) -> u32 {
        *self.numbers.entry(name).or_insert_with(|| {
            self.names.push(name);
            number(self.names.len() - 1)
        })
    }
}

/// There is no memory for plugins that a number of this size does not reach.
fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
