use super::{Identifier, PluginTable};

/// The providers of each capability, as far as needed to tell whether a plugin has a provider other than
/// itself.
pub(super) struct CapabilityProviders {
    /// By the number of the capability's name; empty if nothing is provided.
    by_name: Vec<Option<By>>,
}

#[derive(Clone, Copy)]
struct By {
    first: usize,
    more: bool,
}

impl CapabilityProviders {
    pub(super) fn new<N: Identifier>(table: &PluginTable<'_, N>) -> Self {
        let mut by_name: Vec<Option<By>> = Vec::new();
        if table.has_capabilities() {
            by_name.resize(table.names.len(), None);
        }
        for plugin in 0..table.count() {
            let first = table.name(plugin);
            for &capability in table.capabilities(plugin) {
                let by = by_name[capability as usize].get_or_insert(By { first, more: false });
                by.more |= by.first != first;
            }
        }
        Self { by_name }
    }

    /// Whether a plugin other than the one of this id provides the capability, both by the numbers of their
    /// names.
    pub(super) fn other_than(&self, capability: usize, id: usize) -> bool {
        let by = self.by_name.get(capability).copied().flatten();
        by.is_some_and(|by| by.more || by.first != id)
    }

    /// The capabilities that are provided, by the numbers of their names.
    pub(super) fn capabilities(&self) -> impl Iterator<Item = usize> {
        let all = self.by_name.iter().enumerate();
        all.filter_map(|(name, by)| by.map(|_| name))
    }
}
