use super::HostEvent;
use super::points::{Chains, Points};
use crate::events::EventBus;
#[cfg(feature = "async")]
use crate::hook::asynchronous::{AsyncChain, AsyncHook};
use crate::hook::{Chain, ChainError, CircuitChange, ContextFamily, Hook};
use crate::plugin::PluginId;

/// The hooks that a plugin attached.
pub(super) struct Hooks<F: ContextFamily> {
    pub(super) sync: super::points::Attached<Hook<F>>,
    #[cfg(feature = "async")]
    pub(super) waiting: super::points::Attached<AsyncHook<F>>,
}

/// The points of a host, sync and async.
pub(super) struct AllPoints<F: ContextFamily> {
    sync: Points<Hook<F>>,
    #[cfg(feature = "async")]
    waiting: Points<AsyncHook<F>>,
}

/// Their chains.
pub(super) struct AllChains<F: ContextFamily> {
    pub(super) sync: Chains<Chain<F>>,
    #[cfg(feature = "async")]
    pub(super) waiting: Chains<AsyncChain<F>>,
}

impl<F: ContextFamily> AllPoints<F> {
    pub(super) fn add(&mut self, plugin: &PluginId, hooks: Hooks<F>) {
        self.sync.add(plugin.clone(), hooks.sync);
        #[cfg(feature = "async")]
        self.waiting.add(plugin.clone(), hooks.waiting);
    }

    pub(super) fn remove(&mut self, plugin: &PluginId) {
        self.sync.remove(plugin);
        #[cfg(feature = "async")]
        self.waiting.remove(plugin);
    }

    pub(super) fn touch_all(&mut self) {
        self.sync.touch_all();
        #[cfg(feature = "async")]
        self.waiting.touch_all();
    }

    pub(super) fn chains<'d>(
        &mut self,
        current: &AllChains<F>,
        dependencies: impl Fn(&PluginId) -> &'d [PluginId],
        events: &EventBus<HostEvent>,
    ) -> Result<AllChains<F>, ChainError> {
        let tell = || {
            let events = events.clone();
            move |change: &CircuitChange| {
                let change = change.clone();
                events.emit(HostEvent::HookCircuit { change });
            }
        };
        Ok(AllChains {
            sync: self.sync.chains(&current.sync, |point, hooks| {
                Ok(Chain::new(point, hooks, &dependencies)?.on_circuit_change(tell()))
            })?,
            #[cfg(feature = "async")]
            waiting: self.waiting.chains(&current.waiting, |point, hooks| {
                Ok(AsyncChain::new(point, hooks, &dependencies)?.on_circuit_change(tell()))
            })?,
        })
    }
}

impl<F: ContextFamily> Default for AllPoints<F> {
    fn default() -> Self {
        Self {
            sync: Points::default(),
            #[cfg(feature = "async")]
            waiting: Points::default(),
        }
    }
}

impl<F: ContextFamily> Clone for AllPoints<F> {
    fn clone(&self) -> Self {
        Self {
            sync: self.sync.clone(),
            #[cfg(feature = "async")]
            waiting: self.waiting.clone(),
        }
    }
}

impl<F: ContextFamily> Default for AllChains<F> {
    fn default() -> Self {
        Self {
            sync: Chains::new(),
            #[cfg(feature = "async")]
            waiting: Chains::new(),
        }
    }
}
