use std::collections::BTreeSet;
use std::sync::Arc;

use crate::hook::{Attachment, ChainError};
use crate::plugin::{Name, PluginId};
use crate::registry::Map;

/// Hooks, each with its point.
pub(super) type Attached<H> = Vec<(Name, Attachment<H>)>;

/// The chains of all points that have hooks.
pub(super) type Chains<C> = Map<Name, Arc<C>>;

/// The hooks of all points, of one sort. Copying them is cheap.
pub(super) struct Points<H> {
    attachments: Map<Name, Vec<Attachment<H>>>,
    of_plugin: Map<PluginId, Vec<Name>>,
    touched: BTreeSet<Name>,
}

impl<H: Clone> Points<H> {
    /// Adds the hooks of a plugin that has none yet.
    pub(super) fn add(&mut self, plugin: PluginId, hooks: Attached<H>) {
        let points: BTreeSet<Name> = hooks.iter().map(|(point, _)| point.clone()).collect();
        self.touched.extend(points.iter().cloned());
        self.of_plugin.insert(plugin, points.into_iter().collect());
        for (point, attachment) in hooks {
            self.attachments.entry(point).or_default().push(attachment);
        }
    }

    /// Takes the hooks of a plugin out.
    pub(super) fn remove(&mut self, plugin: &PluginId) {
        for point in self.of_plugin.remove(plugin).unwrap_or_default() {
            if let Some(hooks) = self.attachments.get_mut(&point) {
                hooks.retain(|hook| hook.plugin != *plugin);
            }
            self.touched.insert(point);
        }
    }

    /// Every point is to be ordered anew.
    pub(super) fn touch_all(&mut self) {
        self.touched.extend(self.attachments.keys().cloned());
    }

    /// The chains as they are after the changes, of which `current` has none yet.
    pub(super) fn chains<C>(
        &mut self,
        current: &Chains<C>,
        chain: impl Fn(Name, Vec<Attachment<H>>) -> Result<C, ChainError>,
    ) -> Result<Chains<C>, ChainError> {
        let mut chains = current.clone();
        for point in std::mem::take(&mut self.touched) {
            let hooks = self.attachments.get(&point).cloned().unwrap_or_default();
            if hooks.is_empty() {
                self.attachments.remove(&point);
                chains.remove(&point);
            } else {
                let chain = chain(point.clone(), hooks)?;
                chains.insert(point, Arc::new(chain));
            }
        }
        Ok(chains)
    }
}

impl<H> Default for Points<H> {
    fn default() -> Self {
        Self {
            attachments: Map::new(),
            of_plugin: Map::new(),
            touched: BTreeSet::new(),
        }
    }
}

impl<H> Clone for Points<H>
where
    Attachment<H>: Clone,
{
    fn clone(&self) -> Self {
        Self {
            attachments: self.attachments.clone(),
            of_plugin: self.of_plugin.clone(),
            touched: self.touched.clone(),
        }
    }
}
