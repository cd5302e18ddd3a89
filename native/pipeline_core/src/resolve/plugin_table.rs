use semver::Version;

use super::{Dependency, Identifier, Node, Target};
use crate::requirement::{AllowPre, Requirement};

/// In place of the number of a requirement: none.
const ANY: u32 = u32::MAX;

/// Plugins as numbers: of names, versions and requirements that are kept elsewhere, each of them once.
///
/// A caller that has the plugins in a form of its own describes them here, one after another, and makes a
/// [`PluginTable`] of the builder and the lists that the numbers count through. A list that is not empty has
/// its first element at 0. Ids and capabilities are names of one list.
///
/// ```
/// use pipeline_core::resolve::{PluginTableBuilder, NumberedDependency, PluginTable};
///
/// let mut builder = PluginTableBuilder::default();
/// builder.plugin(0, 0);
/// builder.depends_on(NumberedDependency::plugin(1, None));
/// builder.plugin(1, 0);
/// let version = semver::Version::new(1, 0, 0);
/// let (names, versions) = ([&"blog", &"cache"], [&version]);
/// let table = PluginTable::new(&builder, &names, &versions, &[]).unwrap();
/// assert_eq!(table.load_order()?, [vec![1], vec![0]]);
/// # Ok::<(), pipeline_core::resolve::ResolveError<&str>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PluginTableBuilder {
    plugins: Vec<PluginRow>,
    capabilities: Vec<u32>,
    dependencies: Vec<NumberedDependency>,
    /// How many of the plugins are to be ordered; the others are there. All, while there is no such limit.
    to_order: Option<usize>,
    names: u32,
    versions: u32,
    requirements: u32,
}

/// A plugin; its capabilities and dependencies begin where those of the row before it end.
#[derive(Clone, Copy, Debug)]
struct PluginRow {
    id: u32,
    version: u32,
    capabilities: u32,
    dependencies: u32,
}

/// A dependency as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedDependency {
    pub(super) name: u32,
    requirement: u32,
    pub(super) capability: bool,
    pub(super) optional: bool,
}

impl NumberedDependency {
    /// The plugin with the id of this number, in a version that the requirement of the other accepts.
    #[inline]
    pub fn plugin(name: u32, requirement: Option<u32>) -> Self {
        Self {
            name,
            requirement: requirement.unwrap_or(ANY),
            capability: false,
            optional: false,
        }
    }

    /// Another plugin that provides the capability of this number.
    #[inline]
    pub fn capability(name: u32) -> Self {
        Self {
            capability: true,
            ..Self::plugin(name, None)
        }
    }

    /// The same with a requirement; of a capability it counts for nothing.
    #[must_use]
    #[inline]
    pub fn requires(self, requirement: Option<u32>) -> Self {
        let requirement = requirement.unwrap_or(ANY);
        Self {
            requirement,
            ..self
        }
    }

    /// The same, but optional or not.
    #[must_use]
    #[inline]
    pub fn optional(self, optional: bool) -> Self {
        Self { optional, ..self }
    }
}

impl PluginTableBuilder {
    /// Begins a plugin: the number of its id and that of its version.
    #[inline]
    pub fn plugin(&mut self, id: u32, version: u32) {
        self.names = self.names.max(id.saturating_add(1));
        self.versions = self.versions.max(version.saturating_add(1));
        self.plugins.push(PluginRow {
            id,
            version,
            capabilities: number(self.capabilities.len()),
            dependencies: number(self.dependencies.len()),
        });
    }

    /// Adds a capability to the plugin that was begun last.
    #[inline]
    pub fn provides(&mut self, capability: u32) {
        self.names = self.names.max(capability.saturating_add(1));
        self.capabilities.push(capability);
    }

    /// Adds a dependency to the plugin that was begun last.
    #[inline]
    pub fn depends_on(&mut self, dependency: NumberedDependency) {
        self.names = self.names.max(dependency.name.saturating_add(1));
        if dependency.requirement != ANY {
            self.requirements = self
                .requirements
                .max(dependency.requirement.saturating_add(1));
        }
        self.dependencies.push(dependency);
    }

    /// The plugins that are begun from here on are loaded already.
    pub fn rest_is_loaded(&mut self) {
        self.to_order.get_or_insert(self.plugins.len());
    }
}

/// Plugins to be put in an order, every name, version and requirement among them by number.
pub struct PluginTable<'a, N> {
    builder: &'a PluginTableBuilder,
    pub(super) names: &'a [&'a N],
    versions: &'a [&'a Version],
    requirements: &'a [&'a Requirement],
    /// For each requirement, which of the versions it accepts. Empty where that would be more than there are
    /// dependencies.
    accepted: Vec<bool>,
}

impl<'a, N: Identifier> PluginTable<'a, N> {
    /// The names have to differ. Nothing if the builder has a number that one of the lists does not reach.
    pub fn new(
        builder: &'a PluginTableBuilder,
        names: &'a [&'a N],
        versions: &'a [&'a Version],
        requirements: &'a [&'a Requirement],
    ) -> Option<Self> {
        let reach = |count: u32, length: usize| count as usize <= length;
        (reach(builder.names, names.len())
            && reach(builder.versions, versions.len())
            && reach(builder.requirements, requirements.len()))
        .then(|| Self::numbered(builder, names, versions, requirements))
    }

    /// The same, where all numbers are known to be within the lists.
    pub(super) fn numbered(
        builder: &'a PluginTableBuilder,
        names: &'a [&'a N],
        versions: &'a [&'a Version],
        requirements: &'a [&'a Requirement],
    ) -> Self {
        let pairs = versions.len().saturating_mul(requirements.len());
        let accepted = if pairs <= builder.dependencies.len() {
            let of = |requirement: &&Requirement| {
                versions
                    .iter()
                    .map(|version| requirement.matches(version, AllowPre::Yes))
                    .collect::<Vec<_>>()
            };
            requirements.iter().flat_map(of).collect()
        } else {
            Vec::new()
        };
        Self {
            builder,
            names,
            versions,
            requirements,
            accepted,
        }
    }

    /// The plugins as nodes, those that are present behind the others.
    pub fn nodes(&self) -> Vec<Node<N>> {
        let name = |name: u32| self.names[name as usize].clone();
        let dependency = |dependency: &NumberedDependency| Dependency {
            target: if dependency.capability {
                Target::Capability(name(dependency.name))
            } else {
                Target::Plugin(name(dependency.name), self.requirement(dependency).cloned())
            },
            optional: dependency.optional,
        };
        (0..self.count())
            .map(|plugin| Node {
                id: self.id(plugin).clone(),
                version: self.version(plugin).clone(),
                capabilities: self
                    .capabilities(plugin)
                    .iter()
                    .copied()
                    .map(name)
                    .collect(),
                dependencies: self.dependencies(plugin).iter().map(dependency).collect(),
            })
            .collect()
    }

    /// How many plugins are to be ordered.
    pub(super) fn to_order(&self) -> usize {
        self.builder.to_order.unwrap_or(self.count())
    }

    /// How many plugins there are, with those that are present.
    pub(super) fn count(&self) -> usize {
        self.builder.plugins.len()
    }

    /// The number of a plugin's id.
    pub(super) fn name(&self, plugin: usize) -> usize {
        self.builder.plugins[plugin].id as usize
    }

    pub(super) fn id(&self, plugin: usize) -> &'a N {
        self.names[self.name(plugin)]
    }

    pub(super) fn version(&self, plugin: usize) -> &'a Version {
        self.versions[self.builder.plugins[plugin].version as usize]
    }

    pub(super) fn capabilities(&self, plugin: usize) -> &'a [u32] {
        let next = self.builder.plugins.get(plugin + 1);
        let end = next.map_or(self.builder.capabilities.len(), |next| {
            next.capabilities as usize
        });
        &self.builder.capabilities[self.builder.plugins[plugin].capabilities as usize..end]
    }

    pub(super) fn dependencies(&self, plugin: usize) -> &'a [NumberedDependency] {
        let next = self.builder.plugins.get(plugin + 1);
        let end = next.map_or(self.builder.dependencies.len(), |next| {
            next.dependencies as usize
        });
        &self.builder.dependencies[self.builder.plugins[plugin].dependencies as usize..end]
    }

    /// How many dependencies there are in all.
    pub(super) fn all_dependencies(&self) -> usize {
        self.builder.dependencies.len()
    }

    /// Whether any plugin provides one.
    pub(super) fn has_capabilities(&self) -> bool {
        !self.builder.capabilities.is_empty()
    }

    pub(super) fn requirement(&self, dependency: &NumberedDependency) -> Option<&'a Requirement> {
        (dependency.requirement != ANY).then(|| self.requirements[dependency.requirement as usize])
    }

    /// Whether a dependency on a plugin takes the version in which it is there.
    ///
    /// By plain precedence: what is there is there, pre-release or not.
    pub(super) fn accepts(&self, dependency: &NumberedDependency, plugin: usize) -> bool {
        if dependency.requirement == ANY {
            return true;
        }
        let requirement = dependency.requirement as usize;
        let version = self.builder.plugins[plugin].version as usize;
        match self
            .accepted
            .get(requirement * self.versions.len() + version)
        {
            Some(&accepted) => accepted,
            None => self.requirements[requirement].matches(self.versions[version], AllowPre::Yes),
        }
    }
}

/// There is no memory for lists that a number of this size does not reach.
#[inline]
pub(super) fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
