use std::sync::Arc;

use super::attached::{AllChains, AllPoints, Hooks};
use super::{HostError, HostEvent, Plugin};
use crate::events::EventBus;
use crate::hook::ContextFamily;
use crate::plugin::{Manifest, Needs, PluginId};
use crate::registry::{Map, Snapshot};

/// The state of a host's writer. A change is made on a copy, which is cheap, and takes its place once it is
/// whole.
pub(super) struct HostState<F: ContextFamily> {
    pub(super) manifests: Snapshot<Manifest>,
    pub(super) plugins: Map<PluginId, Arc<dyn Plugin<F>>>,
    pub(super) next_registration: u64,
    hooks: AllPoints<F>,
    dependencies: Map<PluginId, Arc<[PluginId]>>,
    /// How many loaded plugins name an id among their dependencies, also one that is not loaded.
    named: Map<PluginId, usize>,
}

impl<F: ContextFamily> HostState<F> {
    /// Adds a plugin with its hooks. No plugin of its id is there.
    pub(super) fn add(&mut self, manifest: Manifest, plugin: Arc<dyn Plugin<F>>, hooks: Hooks<F>) {
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
        let needed: Arc<[PluginId]> = needed.collect();
        let registered = self.manifests.register(manifest);
        debug_assert!(registered.is_ok(), "{id} is there already");
        for id in needed.iter() {
            *self.named.entry(id.clone()).or_default() += 1;
        }
        self.dependencies.insert(id.clone(), needed);
        self.plugins.insert(id.clone(), plugin);
        self.touch_dependents(&id);
        self.hooks.add(&id, hooks);
    }

    /// Takes a plugin out with its hooks.
    pub(super) fn remove(&mut self, id: &PluginId) -> Result<Arc<dyn Plugin<F>>, HostError> {
        let Some(plugin) = self.plugins.remove(id) else {
            return Err(HostError::NotLoaded(id.clone()));
        };
        if self.manifests.unregister(id).is_err() {
            return Err(HostError::NotLoaded(id.clone()));
        }
        let needed = self.dependencies.remove(id);
        for needed in needed.iter().flat_map(|needed| needed.iter()) {
            if let Some(count) = self.named.get_mut(needed) {
                *count -= 1;
                if *count == 0 {
                    self.named.remove(needed);
                }
            }
        }
        self.touch_dependents(id);
        self.hooks.remove(id);
        Ok(plugin)
    }

    /// Whether a loaded plugin names the id among its dependencies.
    pub(super) fn is_named(&self, id: &PluginId) -> bool {
        self.named.contains_key(id)
    }

    /// A plugin that others depend on came or went. What it depends on in turn orders their hooks, on points
    /// too where it has none.
    fn touch_dependents(&mut self, id: &PluginId) {
        if self.is_named(id) {
            self.hooks.touch_all();
        }
    }

    /// The chains as they are after the changes, of which `current` has none yet.
    pub(super) fn chains(
        &mut self,
        current: &AllChains<F>,
        events: &EventBus<HostEvent>,
    ) -> Result<AllChains<F>, HostError> {
        let dependencies = |id: &PluginId| self.dependencies.get(id).map_or(&[][..], |ids| ids);
        Ok(self.hooks.chains(current, dependencies, events)?)
    }
}

impl<F: ContextFamily> Default for HostState<F> {
    fn default() -> Self {
        Self {
            manifests: Snapshot::default(),
            plugins: Map::new(),
            next_registration: 0,
            hooks: AllPoints::default(),
            dependencies: Map::new(),
            named: Map::new(),
        }
    }
}

impl<F: ContextFamily> Clone for HostState<F> {
    fn clone(&self) -> Self {
        Self {
            manifests: self.manifests.clone(),
            plugins: self.plugins.clone(),
            next_registration: self.next_registration,
            hooks: self.hooks.clone(),
            dependencies: self.dependencies.clone(),
            named: self.named.clone(),
        }
    }
}
