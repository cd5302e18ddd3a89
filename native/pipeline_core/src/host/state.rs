use std::collections::BTreeSet;
use std::sync::Arc;

use super::registrar::Attached;
use super::{HostError, Plugin};
use crate::hook::{Attachment, Chain, ContextFamily, Hook};
use crate::plugin::{Manifest, Name, Needs, PluginId};
use crate::registry::{Map, Snapshot};

/// The chains of all points that have hooks.
pub(super) type Chains<F> = Map<Name, Arc<Chain<F>>>;

/// What the writer of a host keeps. A change is made on a copy, which is cheap, and takes its place once it is whole.
pub(super) struct State<F: ContextFamily> {
    pub(super) manifests: Snapshot<Manifest>,
    pub(super) plugins: Map<PluginId, Arc<dyn Plugin<F>>>,
    pub(super) next_registration: u64,
    attachments: Map<Name, Vec<Attachment<Hook<F>>>>,
    dependencies: Map<PluginId, Vec<PluginId>>,
    /// How many loaded plugins name an id among their dependencies, also one that is not loaded.
    named: Map<PluginId, usize>,
    points: Map<PluginId, Vec<Name>>,
    touched: BTreeSet<Name>,
}

impl<F: ContextFamily> State<F> {
    /// Adds a plugin with its hooks. No plugin of its id is there.
    pub(super) fn add(
        &mut self,
        manifest: Manifest,
        plugin: Arc<dyn Plugin<F>>,
        hooks: Attached<F>,
    ) {
        let id = manifest.id.clone();
        let needed = manifest
            .dependencies
            .iter()
            .flat_map(|dependency| match &dependency.needs {
                Needs::Plugin(id) => vec![id.clone()],
                Needs::Capability(name) => self
                    .manifests
                    .find_by_capability(name)
                    .map(|entry| entry.id.clone())
                    .collect(),
            });
        let needed: Vec<PluginId> = needed.collect();
        let registered = self.manifests.register(manifest);
        debug_assert!(registered.is_ok(), "{id} is there already");
        for id in &needed {
            *self.named.entry(id.clone()).or_default() += 1;
        }
        self.dependencies.insert(id.clone(), needed);
        self.plugins.insert(id.clone(), plugin);
        self.touch_dependents(&id);
        let points: BTreeSet<Name> = hooks.iter().map(|(point, _)| point.clone()).collect();
        self.touched.extend(points.iter().cloned());
        self.points.insert(id, points.into_iter().collect());
        for (point, attachment) in hooks {
            self.attachments.entry(point).or_default().push(attachment);
        }
    }

    /// Takes a plugin out with its hooks.
    pub(super) fn remove(&mut self, id: &PluginId) -> Result<Arc<dyn Plugin<F>>, HostError> {
        let Some(plugin) = self.plugins.remove(id) else {
            return Err(HostError::NotLoaded(id.clone()));
        };
        if self.manifests.unregister(id).is_err() {
            return Err(HostError::NotLoaded(id.clone()));
        }
        for needed in self.dependencies.remove(id).unwrap_or_default() {
            if let Some(count) = self.named.get_mut(&needed) {
                *count -= 1;
                if *count == 0 {
                    self.named.remove(&needed);
                }
            }
        }
        self.touch_dependents(id);
        for point in self.points.remove(id).unwrap_or_default() {
            if let Some(hooks) = self.attachments.get_mut(&point) {
                hooks.retain(|hook| hook.plugin != *id);
            }
            self.touched.insert(point);
        }
        Ok(plugin)
    }

    /// Whether a loaded plugin names the id among its dependencies.
    pub(super) fn is_named(&self, id: &PluginId) -> bool {
        self.named.contains_key(id)
    }

    /// A plugin that others depend on came or went. What it depends on in turn orders their hooks, on points too where
    /// it has none.
    fn touch_dependents(&mut self, id: &PluginId) {
        if self.is_named(id) {
            self.touched.extend(self.attachments.keys().cloned());
        }
    }

    /// The chains as they are after the changes, of which `current` has none yet.
    pub(super) fn chains(&mut self, current: &Chains<F>) -> Result<Chains<F>, HostError> {
        let mut chains = current.clone();
        for point in std::mem::take(&mut self.touched) {
            let hooks = self.attachments.get(&point).cloned().unwrap_or_default();
            if hooks.is_empty() {
                self.attachments.remove(&point);
                chains.remove(&point);
            } else {
                let dependencies =
                    |id: &PluginId| self.dependencies.get(id).map_or(&[][..], Vec::as_slice);
                let chain = Chain::new(point.clone(), hooks, dependencies)?;
                chains.insert(point, Arc::new(chain));
            }
        }
        Ok(chains)
    }
}

impl<F: ContextFamily> Default for State<F> {
    fn default() -> Self {
        Self {
            manifests: Snapshot::default(),
            plugins: Map::new(),
            next_registration: 0,
            attachments: Map::new(),
            dependencies: Map::new(),
            named: Map::new(),
            points: Map::new(),
            touched: BTreeSet::new(),
        }
    }
}

impl<F: ContextFamily> Clone for State<F> {
    fn clone(&self) -> Self {
        Self {
            manifests: self.manifests.clone(),
            plugins: self.plugins.clone(),
            next_registration: self.next_registration,
            attachments: self.attachments.clone(),
            dependencies: self.dependencies.clone(),
            named: self.named.clone(),
            points: self.points.clone(),
            touched: self.touched.clone(),
        }
    }
}
