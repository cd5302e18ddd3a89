use std::cell::{RefCell, RefMut};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::{ReentrantMutex, ReentrantMutexGuard};

use super::attached::AllChains;
use super::report::Report;
use super::state::HostState;
use super::{HostError, HostEvent, Plugin, PluginError, Registrar, Stage, needs};
use crate::events::EventBus;
use crate::hook::{Chain, ContextFamily, HookError, PointName, RunFailure, panic_message};
use crate::plugin::{Manifest, PluginId};
use crate::published::Published;
use crate::registry::Snapshot;

/// Loads plugins, runs their hooks, unloads them.
///
/// Loading and unloading take turns; runs and look-ups never wait for them. What a load or unload changes, in
/// the registry and on all points, is seen in one step.
///
/// A host that is dropped unloads everything, as [`Host::shut_down`] does.
pub struct Host<F: ContextFamily> {
    pub(super) view: Published<View<F>>,
    /// Reentrant, so that a plugin that loads or unloads in one of its own steps is refused and does not wait
    /// for itself: the cell is borrowed then.
    state: ReentrantMutex<RefCell<HostState<F>>>,
    events: EventBus<HostEvent>,
}

/// The view of readers.
pub(super) struct View<F: ContextFamily> {
    manifests: Snapshot<Manifest>,
    pub(super) chains: AllChains<F>,
}

impl<F: ContextFamily> Host<F> {
    /// A host without plugins.
    pub fn new() -> Self {
        Self {
            view: Published::new(View {
                manifests: Snapshot::default(),
                chains: AllChains::default(),
            }),
            state: ReentrantMutex::default(),
            events: EventBus::new(),
        }
    }

    /// Loads one plugin; see [`Host::load_all`].
    ///
    /// # Errors
    ///
    /// [`HostError`]; nothing changed then.
    pub fn load(&self, plugin: impl Plugin<F>) -> Result<PluginId, HostError> {
        let mut ids = self.load_all(vec![Box::new(plugin)])?;
        Ok(ids.remove(0))
    }

    /// Loads plugins, in whatever order they are given: all of them, or none.
    ///
    /// They are built and started in the order of [`resolve::load_order`](crate::resolve::load_order),
    /// dependencies first, in which their ids are returned. What is loaded meets dependencies too.
    ///
    /// Every plugin is built and the chains are made before the first is started; the hooks appear when the
    /// last is. A failure stops those that were started, in reverse.
    ///
    /// # Errors
    ///
    /// [`HostError`], of the first plugin that cannot be loaded or of the order of all; nothing changed then.
    pub fn load_all(&self, plugins: Vec<Box<dyn Plugin<F>>>) -> Result<Vec<PluginId>, HostError> {
        // Declared ahead of the lock, and so dropped after it: a destructor of a plugin may load.
        let plugins: Vec<Arc<dyn Plugin<F>>> = plugins.into_iter().map(Arc::from).collect();
        let mut next = HostState::default();
        let lock = self.state.lock();
        let mut state = writing(&lock)?;
        next.clone_from(&state);
        self.tell(self.load_into(&mut state, &mut next, &plugins))
    }

    fn load_into(
        &self,
        state: &mut HostState<F>,
        next: &mut HostState<F>,
        plugins: &[Arc<dyn Plugin<F>>],
    ) -> Result<Vec<PluginId>, HostError> {
        let manifests: Vec<Manifest> = plugins
            .iter()
            .map(|plugin| manifest(&**plugin))
            .collect::<Result<_, _>>()?;
        let order = needs::order(&state.manifests, &manifests)?;
        for manifest in manifests.iter().filter(|new| state.is_named(&new.id)) {
            needs::check_arrival(&state.manifests, &manifest.id, &manifest.version)?;
        }

        let mut added: Vec<(PluginId, Arc<dyn Plugin<F>>)> = Vec::with_capacity(plugins.len());
        let mut loaded = Vec::with_capacity(plugins.len());
        for at in order {
            let (manifest, plugin) = (manifests[at].clone(), plugins[at].clone());
            let id = manifest.id.clone();
            loaded.push(HostEvent::PluginLoaded {
                id: id.clone(),
                version: manifest.version.clone(),
            });
            let mut registrar = Registrar::new(id.clone(), next.next_registration);
            guarded(&id, Stage::Build, || plugin.build(&mut registrar))?;
            let (next_registration, hooks) = registrar.finish();
            next.next_registration = next_registration;
            next.add(manifest, plugin.clone(), hooks);
            added.push((id, plugin));
        }
        let chains = self
            .view
            .read(|view| next.chains(&view.chains, &self.events))?;

        for (started, (id, plugin)) in added.iter().enumerate() {
            if let Err(error) = guarded(id, Stage::Start, || plugin.start()) {
                for (id, plugin) in added[..started].iter().rev() {
                    // The failure to return is the one that began this.
                    let _ = self.tell(stop(id, &**plugin));
                }
                return Err(error);
            }
        }
        self.publish(state, next, chains);
        for event in loaded {
            self.events.emit(event);
        }
        Ok(added.into_iter().map(|(id, _)| id).collect())
    }

    /// Unloads a plugin: its hooks vanish from all points in one step, and then it is stopped.
    ///
    /// # Errors
    ///
    /// [`HostError`]; nothing changed then, but for a panic in [`Stage::Stop`].
    pub fn unload(&self, id: &PluginId) -> Result<(), HostError> {
        // Declared ahead of the lock, and so dropped after it: a destructor of a plugin may load.
        let plugin: Arc<dyn Plugin<F>>;
        let mut next = HostState::default();
        let lock = self.state.lock();
        let mut state = writing(&lock)?;
        next.clone_from(&state);
        plugin = next.remove(id)?;
        let dependents = needs::dependents(&state.manifests, id);
        if !dependents.is_empty() {
            let plugin = id.clone();
            return Err(HostError::RequiredBy { plugin, dependents });
        }
        let chains = self
            .view
            .read(|view| next.chains(&view.chains, &self.events))?;
        self.publish(&mut state, &mut next, chains);
        self.stop_unloaded(id, &*plugin)
    }

    /// Unloads everything, in the reverse of the load order. Returns the failures to stop, which kept nothing
    /// loaded. A plugin that calls this in one of its own steps gets [`HostError::Busy`], and nothing changed.
    pub fn shut_down(&self) -> Vec<HostError> {
        // Declared ahead of the lock, and so dropped after it: a destructor of a plugin may load.
        let mut loaded = HostState::default();
        let mut next = HostState::default();
        let lock = self.state.lock();
        let mut state = match writing(&lock) {
            Ok(state) => state,
            Err(busy) => return vec![busy],
        };
        loaded.clone_from(&state);
        next.clone_from(&state);
        for id in loaded.plugins.keys() {
            // Cannot fail: it is loaded.
            let _ = next.remove(id);
        }
        self.publish(&mut state, &mut next, AllChains::default());
        let mut ids: Vec<PluginId> = loaded
            .manifests
            .list()
            .map(|manifest| manifest.id.clone())
            .collect();
        ids.reverse();
        ids.iter()
            .filter_map(|id| {
                let plugin = loaded.plugins.get(id)?;
                self.stop_unloaded(id, &**plugin).err()
            })
            .collect()
    }

    /// Runs the hooks of a point around `core`; see [`Chain::run`]. A point without hooks runs `core` alone.
    ///
    /// The run keeps to the chain it began with, and holds up the release of memory while it lasts.
    ///
    /// # Errors
    ///
    /// As [`Chain::run`].
    ///
    /// # Panics
    ///
    /// When `core` does.
    pub fn run<'c>(
        &self,
        point: impl PointName<F>,
        context: &mut F::Context<'c>,
        mut core: impl FnMut(&mut F::Context<'c>) -> Result<(), F::Error>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<(), RunFailure<F::Error>> {
        self.view
            .read(|view| match view.chains.sync.get(point.as_str()) {
                Some(chain) => {
                    let report = Report::new(&self.events, skipped);
                    let result = chain.run(context, core, report.skipped);
                    if let Err(RunFailure::Hook(error)) = &result {
                        report.failed(error);
                    }
                    result
                }
                None => core(context).map_err(RunFailure::Core),
            })
    }

    /// The bus on which the host tells what happens: plugins loaded, unloaded and failed, hooks failed,
    /// circuits changed. In the order of the loads and unloads.
    ///
    /// ```
    /// # use pipeline_core::hook::ContextFamily;
    /// # struct Texts;
    /// # impl ContextFamily for Texts {
    /// #     type Context<'a> = String;
    /// #     type Error = &'static str;
    /// # }
    /// use std::num::NonZeroU16;
    ///
    /// use pipeline_core::host::Host;
    ///
    /// let host = Host::<Texts>::new();
    /// let failures = host.events().subscribe("*_failed", NonZeroU16::new(64).unwrap());
    /// assert!(failures.try_recv().is_none());
    /// ```
    pub fn events(&self) -> &EventBus<HostEvent> {
        &self.events
    }

    /// The chain of a point as it is now, to keep; `None` when the point has no hooks.
    pub fn chain(&self, point: impl PointName<F>) -> Option<Arc<Chain<F>>> {
        self.view
            .read(|view| view.chains.sync.get(point.as_str()).cloned())
    }

    /// Closes the circuits of a plugin's hooks on a point, sync and async, whatever they have seen, and
    /// returns how many there are.
    pub fn reset_circuits(&self, point: impl PointName<F>, plugin: &PluginId) -> usize {
        let sync = self.chain(point);
        let count = sync.map_or(0, |chain| chain.reset_circuits(plugin));
        #[cfg(feature = "async")]
        let count = {
            let waiting = self.async_chain(point);
            count + waiting.map_or(0, |chain| chain.reset_circuits(plugin))
        };
        count
    }

    /// The manifests of what is loaded now.
    pub fn manifests(&self) -> Snapshot<Manifest> {
        self.view.read(|view| view.manifests.clone())
    }

    fn stop_unloaded(&self, id: &PluginId, plugin: &dyn Plugin<F>) -> Result<(), HostError> {
        let id = id.clone();
        let stopped = stop(&id, plugin);
        self.events.emit(HostEvent::PluginUnloaded { id });
        self.tell(stopped)
    }

    /// Tells of a failure that is a plugin's.
    fn tell<T>(&self, result: Result<T, HostError>) -> Result<T, HostError> {
        if let Err(error) = &result
            && let Some(event) = HostEvent::of(error)
        {
            self.events.emit(event);
        }
        result
    }

    /// Leaves the old state in `next`, for the caller to drop without the lock.
    fn publish(&self, state: &mut HostState<F>, next: &mut HostState<F>, chains: AllChains<F>) {
        let manifests = next.manifests.clone();
        self.view.replace(View { manifests, chains });
        std::mem::swap(state, next);
    }
}

/// The state, to change it; refused to a thread that is changing it already.
fn writing<'s, F: ContextFamily>(
    lock: &'s ReentrantMutexGuard<'_, RefCell<HostState<F>>>,
) -> Result<RefMut<'s, HostState<F>>, HostError> {
    lock.try_borrow_mut().map_err(|_| HostError::Busy)
}

fn manifest<F: ContextFamily>(plugin: &dyn Plugin<F>) -> Result<Manifest, HostError> {
    catch_unwind(AssertUnwindSafe(|| plugin.manifest())).map_err(|payload| HostError::NoManifest {
        message: panic_message(&*payload),
    })
}

fn stop<F: ContextFamily>(id: &PluginId, plugin: &dyn Plugin<F>) -> Result<(), HostError> {
    guarded(id, Stage::Stop, || {
        plugin.stop();
        Ok(())
    })
}

/// Calls a plugin, and gives its failure or panic its name.
fn guarded(
    id: &PluginId,
    stage: Stage,
    call: impl FnOnce() -> Result<(), PluginError>,
) -> Result<(), HostError> {
    let plugin = || id.clone();
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(HostError::Failed {
            plugin: plugin(),
            stage,
            source,
        }),
        Err(payload) => {
            let message = panic_message(&*payload);
            Err(HostError::Panicked {
                plugin: plugin(),
                stage,
                message,
            })
        }
    }
}

impl<F: ContextFamily> Drop for Host<F> {
    fn drop(&mut self) {
        // Failures to stop are on the bus; nobody else is left to be told.
        self.shut_down();
    }
}

impl<F: ContextFamily> Default for Host<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: ContextFamily> fmt::Debug for Host<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("manifests", &self.manifests())
            .finish_non_exhaustive()
    }
}
