use semver::Version;

use super::{Dependency, Name, Node, Target};
use crate::requirement::{AllowPre, Requirement};

/// In place of the number of a requirement: none.
const ANY: u32 = u32::MAX;

/// Plugins as numbers: of names, versions and requirements that are kept elsewhere, each of them once.
///
/// Whoever has the plugins in a form of its own describes them here, one after another, and makes a [`Roster`] of the
/// draft and the lists that the numbers count through. A list that is not empty has its first element at 0. Ids and
/// capabilities are names of one list.
///
/// ```
/// use pipeline_core::resolve::{Draft, Need, Roster};
///
/// let mut draft = Draft::default();
/// draft.plugin(0, 0);
/// draft.needs(Need::plugin(1, None));
/// draft.plugin(1, 0);
/// let version = semver::Version::new(1, 0, 0);
/// let (names, versions) = ([&"blog", &"cache"], [&version]);
/// let roster = Roster::new(&draft, &names, &versions, &[]).unwrap();
/// assert_eq!(roster.load_order()?, [vec![1], vec![0]]);
/// # Ok::<(), pipeline_core::resolve::ResolveError<&str>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Draft {
    plugins: Vec<Entry>,
    capabilities: Vec<u32>,
    needs: Vec<Need>,
    /// How many of the plugins are to be ordered; the others are there. All, while there is no such limit.
    coming: Option<usize>,
    names: u32,
    versions: u32,
    requirements: u32,
}

/// A plugin; what it provides and needs begins where that of the one before it ends.
#[derive(Clone, Copy, Debug)]
struct Entry {
    id: u32,
    version: u32,
    capabilities: u32,
    needs: u32,
}

/// A dependency as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    pub(super) name: u32,
    requirement: u32,
    pub(super) capability: bool,
    pub(super) optional: bool,
}

impl Need {
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

impl Draft {
    /// Begins a plugin: the number of its id and that of its version.
    #[inline]
    pub fn plugin(&mut self, id: u32, version: u32) {
        self.names = self.names.max(id.saturating_add(1));
        self.versions = self.versions.max(version.saturating_add(1));
        self.plugins.push(Entry {
            id,
            version,
            capabilities: number(self.capabilities.len()),
            needs: number(self.needs.len()),
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
    pub fn needs(&mut self, need: Need) {
        self.names = self.names.max(need.name.saturating_add(1));
        if need.requirement != ANY {
            self.requirements = self.requirements.max(need.requirement.saturating_add(1));
        }
        self.needs.push(need);
    }

    /// The plugins that are begun from here on are loaded already.
    pub fn rest_is_present(&mut self) {
        self.coming.get_or_insert(self.plugins.len());
    }
}

/// Plugins to be put in an order, every name, version and requirement among them by number.
pub struct Roster<'a, N> {
    draft: &'a Draft,
    pub(super) names: &'a [&'a N],
    versions: &'a [&'a Version],
    requirements: &'a [&'a Requirement],
    /// For each requirement, which of the versions it accepts. Empty where that would be more than there are needs.
    accepted: Vec<bool>,
}

impl<'a, N: Name> Roster<'a, N> {
    /// The names have to differ. Nothing if the draft has a number that one of the lists does not reach.
    pub fn new(
        draft: &'a Draft,
        names: &'a [&'a N],
        versions: &'a [&'a Version],
        requirements: &'a [&'a Requirement],
    ) -> Option<Self> {
        let reach = |count: u32, length: usize| count as usize <= length;
        (reach(draft.names, names.len())
            && reach(draft.versions, versions.len())
            && reach(draft.requirements, requirements.len()))
        .then(|| Self::numbered(draft, names, versions, requirements))
    }

    /// The same, where all numbers are known to be within the lists.
    pub(super) fn numbered(
        draft: &'a Draft,
        names: &'a [&'a N],
        versions: &'a [&'a Version],
        requirements: &'a [&'a Requirement],
    ) -> Self {
        let pairs = versions.len().saturating_mul(requirements.len());
        let accepted = if pairs <= draft.needs.len() {
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
            draft,
            names,
            versions,
            requirements,
            accepted,
        }
    }

    /// The plugins as nodes, those that are present behind the others.
    pub fn nodes(&self) -> Vec<Node<N>> {
        let name = |name: u32| self.names[name as usize].clone();
        let dependency = |need: &Need| Dependency {
            target: if need.capability {
                Target::Capability(name(need.name))
            } else {
                Target::Plugin(name(need.name), self.requirement(need).cloned())
            },
            optional: need.optional,
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
                dependencies: self.needs(plugin).iter().map(dependency).collect(),
            })
            .collect()
    }

    /// How many plugins are to be ordered.
    pub(super) fn coming(&self) -> usize {
        self.draft.coming.unwrap_or(self.count())
    }

    /// How many plugins there are, with those that are present.
    pub(super) fn count(&self) -> usize {
        self.draft.plugins.len()
    }

    /// The number of a plugin's id.
    pub(super) fn name(&self, plugin: usize) -> usize {
        self.draft.plugins[plugin].id as usize
    }

    pub(super) fn id(&self, plugin: usize) -> &'a N {
        self.names[self.name(plugin)]
    }

    pub(super) fn version(&self, plugin: usize) -> &'a Version {
        self.versions[self.draft.plugins[plugin].version as usize]
    }

    pub(super) fn capabilities(&self, plugin: usize) -> &'a [u32] {
        let next = self.draft.plugins.get(plugin + 1);
        let end = next.map_or(self.draft.capabilities.len(), |next| {
            next.capabilities as usize
        });
        &self.draft.capabilities[self.draft.plugins[plugin].capabilities as usize..end]
    }

    pub(super) fn needs(&self, plugin: usize) -> &'a [Need] {
        let next = self.draft.plugins.get(plugin + 1);
        let end = next.map_or(self.draft.needs.len(), |next| next.needs as usize);
        &self.draft.needs[self.draft.plugins[plugin].needs as usize..end]
    }

    /// How many dependencies there are in all.
    pub(super) fn all_needs(&self) -> usize {
        self.draft.needs.len()
    }

    /// Whether any plugin provides one.
    pub(super) fn has_capabilities(&self) -> bool {
        !self.draft.capabilities.is_empty()
    }

    pub(super) fn requirement(&self, need: &Need) -> Option<&'a Requirement> {
        (need.requirement != ANY).then(|| self.requirements[need.requirement as usize])
    }

    /// Whether a dependency on a plugin takes the version in which it is there.
    ///
    /// By plain precedence: what is there is there, pre-release or not.
    pub(super) fn accepts(&self, need: &Need, plugin: usize) -> bool {
        if need.requirement == ANY {
            return true;
        }
        let requirement = need.requirement as usize;
        let version = self.draft.plugins[plugin].version as usize;
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
fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
