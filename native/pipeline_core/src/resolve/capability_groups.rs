use super::dependency_graph::Declaration;
use super::{Identifier, PluginTable};

/// The capabilities that plugins to be ordered depend on.
pub(super) struct CapabilityGroups {
    pub(super) all: Vec<CapabilityGroup>,
    /// The place of a name's capability in `all`; empty if there is none.
    by_name: Vec<Option<usize>>,
}

/// The plugins that have to do with one capability.
///
/// A wrapper depends on what it provides itself, and waits for the other providers. Of two wrappers each
/// waits for the other: a cycle, for which a few of the edges between them are enough.
#[derive(Default)]
pub(super) struct CapabilityGroup {
    /// The plugins that provide it and do not depend on it.
    pub(super) providers: Vec<usize>,
    /// The plugins that do both, ascending.
    pub(super) wrappers: Vec<Declaration>,
    /// The vertex that stands for the providers, and the one for the wrappers as well.
    pub(super) others: usize,
    pub(super) everyone: usize,
}

impl CapabilityGroups {
    /// The vertices are numbered on from the plugins.
    pub(super) fn new<N: Identifier>(table: &PluginTable<'_, N>) -> Self {
        let mut this = Self {
            all: Vec::new(),
            by_name: Vec::new(),
        };
        for node in 0..table.to_order() {
            for (dependency, declared) in table.dependencies(node).iter().enumerate() {
                if declared.capability {
                    this.by_name.resize(table.names.len(), None);
                    let at = *this.by_name[declared.name as usize].get_or_insert_with(|| {
                        this.all.push(CapabilityGroup::default());
                        this.all.len() - 1
                    });
                    this.all[at].wrappers.push(Declaration { node, dependency });
                }
            }
        }
        if this.all.is_empty() {
            return this;
        }
        for node in 0..table.to_order() {
            for &name in table.capabilities(node) {
                if let Some(at) = this.by_name[name as usize] {
                    this.all[at].providers.push(node);
                }
            }
        }
        let mut provides = vec![false; table.to_order()];
        let mut vertex = table.to_order();
        for capability in &mut this.all {
            capability.part(&mut provides);
            capability.others = vertex;
            vertex += usize::from(!capability.wrappers.is_empty());
            capability.everyone = vertex;
            vertex += 1;
        }
        this
    }

    /// The capability of a name that something depends on.
    pub(super) fn get(&self, name: u32) -> Option<usize> {
        self.by_name.get(name as usize).copied().flatten()
    }
}

impl CapabilityGroup {
    /// Of all dependents leaves the wrappers, of all providers the others. `provides` is memory for one flag
    /// for each plugin, none set before and after.
    fn part(&mut self, provides: &mut [bool]) {
        for &node in &self.providers {
            provides[node] = true;
        }
        self.wrappers.retain(|dependent| provides[dependent.node]);
        for &node in &self.providers {
            provides[node] = false;
        }
        for wrapper in &self.wrappers {
            provides[wrapper.node] = true;
        }
        self.providers.retain(|&node| !provides[node]);
        for wrapper in &self.wrappers {
            provides[wrapper.node] = false;
        }
    }

    /// The vertices that a dependent waits for.
    pub(super) fn awaited(&self, dependent: Declaration) -> [Option<usize>; 2] {
        let Ok(at) = self.wrappers.binary_search(&dependent) else {
            return [Some(self.everyone), None];
        };
        let mut wrappers = self.wrappers.iter().map(|wrapper| wrapper.node);
        let first = wrappers.next().filter(|&first| first != dependent.node);
        let second = || wrappers.find(|&other| other != dependent.node);
        // Of one that declares the dependency twice, the first declaration is enough.
        [
            Some(self.others),
            first.or_else(|| (at == 0).then(second).flatten()),
        ]
    }
}
