use std::collections::HashMap;

use foldhash::fast::RandomState;
use semver::Version;

use super::plugin_table::number;
use super::{Identifier, Node, NumberedDependency, PluginTable, PluginTableBuilder, Target};
use crate::requirement::Requirement;

/// The numbers of plugins that come with names; what a [`PluginTable`] of them is made of.
pub(super) struct InternedPlugins<'a, N> {
    builder: PluginTableBuilder,
    names: Vec<&'a N>,
    versions: Vec<&'a Version>,
    requirements: Vec<&'a Requirement>,
}

impl<'a, N: Identifier> InternedPlugins<'a, N> {
    /// Looks each name up once; all that comes after works with numbers. Versions and requirements are not
    /// compared.
    pub(super) fn new(nodes: &'a [Node<N>], present: &'a [Node<N>]) -> Self {
        let count = nodes.len() + present.len();
        let dependencies = nodes.iter().chain(present);
        let dependencies = dependencies.map(|node| node.dependencies.len()).sum();
        let mut names = NameInterner::with_capacity(count);
        let mut versions = Vec::with_capacity(count);
        let mut requirements = Vec::with_capacity(dependencies);
        let mut builder = PluginTableBuilder::default();
        // Ids first: the names that are looked up most often lie beside each other.
        let ids: Vec<u32> = nodes
            .iter()
            .chain(present)
            .map(|node| names.number(&node.id))
            .collect();
        for (at, (node, id)) in nodes.iter().chain(present).zip(ids).enumerate() {
            if at == nodes.len() {
                builder.rest_is_loaded();
            }
            builder.plugin(id, number(versions.len()));
            versions.push(&node.version);
            for capability in &node.capabilities {
                builder.provides(names.number(capability));
            }
            for dependency in &node.dependencies {
                let numbered = match &dependency.target {
                    Target::Plugin(id, None) => NumberedDependency::plugin(names.number(id), None),
                    Target::Plugin(id, Some(requirement)) => {
                        requirements.push(requirement);
                        NumberedDependency::plugin(
                            names.number(id),
                            Some(number(requirements.len() - 1)),
                        )
                    }
                    Target::Capability(capability) => {
                        NumberedDependency::capability(names.number(capability))
                    }
                };
                builder.depends_on(numbered.optional(dependency.optional));
            }
        }
        Self {
            builder,
            names: names.names,
            versions,
            requirements,
        }
    }

    pub(super) fn table(&self) -> PluginTable<'_, N> {
        PluginTable::numbered(
            &self.builder,
            &self.names,
            &self.versions,
            &self.requirements,
        )
    }
}

struct NameInterner<'a, N> {
    names: Vec<&'a N>,
    numbers: HashMap<&'a N, u32, RandomState>,
}

impl<'a, N: Identifier> NameInterner<'a, N> {
    fn with_capacity(count: usize) -> Self {
        Self {
            names: Vec::with_capacity(count),
            numbers: HashMap::with_capacity_and_hasher(count, RandomState::default()),
        }
    }

    #[inline]
    fn number(&mut self, name: &'a N) -> u32 {
        *self.numbers.entry(name).or_insert_with(|| {
            self.names.push(name);
            number(self.names.len() - 1)
        })
    }
}
