use std::collections::BTreeSet;
use std::sync::Arc;

use crate::hook::{Attachment, ChainError};
use crate::plugin::{Name, PluginId};
use crate::registry::Map;

/// Hooks, each with its point.
pub(super) type Attached<H> = Vec<(Name, Attachment<H>)>;

/// The chains of all points that have hooks.
pub(super) type Chains<C> = Map<Name, Arc<C>>;

/// The hooks of all points, of one sort. Copying them is cheap: what a map holds is shared, since a change to
/// one key copies the values beside it.
pub(super) struct Points<H> {
    attachments: Map<Name, Arc<Vec<Attachment<H>>>>,
    of_plugin: Map<PluginId, Arc<[Name]>>,
    touched: BTreeSet<Name>,
}

impl<H: Clone> Points<H> {
    /// Adds the hooks of a plugin that has none yet.
    pub(super) fn add(&mut self, plugin: PluginId, hooks: Attached<H>) {
        let points: BTreeSet<Name> = hooks.iter().map(|(point, _)| point.clone()).collect();
        self.touched.extend(points.iter().cloned());
        self.of_plugin.insert(plugin, points.into_iter().collect());
        for (point, attachment) in hooks {
            let hooks = self.attachments.entry(point).or_default();
            Arc::make_mut(hooks).push(attachment);
        }
    }

    /// Takes the hooks of a plugin out.
    pub(super) fn remove(&mut self, plugin: &PluginId) {
        let points = self.of_plugin.remove(plugin);
        for point in points.iter().flat_map(|points| points.iter()) {
            if let Some(hooks) = self.attachments.get_mut(point) {
                Arc::make_mut(hooks).retain(|hook| hook.plugin != *plugin);
            }
            self.touched.insert(point.clone());
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
            match self.attachments.get(&point) {
                Some(hooks) if !hooks.is_empty() => {
                    let chain = chain(point.clone(), Vec::clone(hooks))?;
                    chains.insert(point, Arc::new(chain));
                }
                _ => {
                    self.attachments.remove(&point);
                    chains.remove(&point);
                }
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
