use std::sync::Arc;

use pipeline_core::hook::{
    After, Around, Before, ContextFamily, Flow, Hook, HookKind, Next, Replace, WrapError,
};
use pipeline_core::host::{Plugin, PluginError, Registrar};
use pipeline_core::plugin::Manifest;
use serde_json::Value as Json;

use crate::{Ending, Failure, Fields, Grants, Guest, Isolation, LoadError, Services};

/// A plugin whose hooks are functions of a WebAssembly module.
///
/// It loads into a host of every context family whose contexts show their [`Fields`] and can be cloned, as hooks with
/// `on_error: skip` ask for, and whose errors can be a [`Failure`].
#[derive(Debug)]
pub struct WasmPlugin {
    guest: Arc<Guest>,
}

impl WasmPlugin {
    /// Compiles a module, and checks it against its manifest and against what it is granted. Nothing of it runs.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if it is not one that can be called, or wants more than it is granted.
    pub fn from_bytes(module: &[u8], grants: Grants) -> Result<Self, LoadError> {
        Ok(Self::from(Guest::from_bytes(module, grants)?))
    }

    /// Gives it a configuration, which it reads with `config_get`.
    #[must_use]
    pub fn config(self, config: Json) -> Self {
        self.with(|guest| guest.config(config))
    }

    /// Gives it somebody who writes its log and emits its events. Without, they go nowhere.
    #[must_use]
    pub fn services(self, services: Arc<dyn Services>) -> Self {
        self.with(|guest| guest.services(services))
    }

    /// Says how long its instances live.
    #[must_use]
    pub fn isolation(self, isolation: Isolation) -> Self {
        self.with(|guest| guest.isolation(isolation))
    }

    fn with(self, change: impl FnOnce(Guest) -> Guest) -> Self {
        match Arc::try_unwrap(self.guest) {
            Ok(guest) => Self::from(change(guest)),
            // Its hooks are attached; they keep what they have.
            Err(guest) => Self { guest },
        }
    }
}

impl From<Guest> for WasmPlugin {
    fn from(guest: Guest) -> Self {
        Self {
            guest: Arc::new(guest),
        }
    }
}

impl<F> Plugin<F> for WasmPlugin
where
    F: ContextFamily,
    F::Error: From<Failure>,
    for<'c> F::Context<'c>: Fields + Clone,
{
    fn manifest(&self) -> Manifest {
        self.guest.manifest().plugin.clone()
    }

    fn build(&self, registrar: &mut Registrar<F>) -> Result<(), PluginError> {
        for (index, declared) in self.guest.manifest().plugin.hooks.iter().enumerate() {
            let guest = self.guest.clone();
            let hook = GuestHook { guest, index };
            let hook = match declared.kind {
                HookKind::Around => Hook::around(hook),
                HookKind::Before => Hook::before(hook),
                HookKind::Replace => Hook::replace(hook),
                HookKind::After => Hook::after(hook),
                HookKind::Listen => {
                    return Err(Box::new(LoadError::Kind {
                        kind: declared.kind,
                        point: declared.point.to_string(),
                    }));
                }
            };
            let attached = registrar.attach(&declared.point, hook.on_error(declared.on_error));
            attached.priority = declared.priority;
            attached.before.clone_from(&declared.before);
            attached.after.clone_from(&declared.after);
        }
        Ok(())
    }
}

/// One hook of a guest.
struct GuestHook {
    guest: Arc<Guest>,
    index: usize,
}

impl<F> Before<F> for GuestHook
where
    F: ContextFamily,
    F::Error: From<Failure>,
    for<'c> F::Context<'c>: Fields,
{
    fn before(&self, context: &mut F::Context<'_>) -> Result<Flow, F::Error> {
        Ok(match self.guest.call(self.index, context)? {
            Ending::Answer => Flow::Answer,
            Ending::Continue | Ending::Decline => Flow::Continue,
        })
    }
}

impl<F> After<F> for GuestHook
where
    F: ContextFamily,
    F::Error: From<Failure>,
    for<'c> F::Context<'c>: Fields,
{
    fn after(&self, result: &mut F::Context<'_>) -> Result<(), F::Error> {
        self.guest.call(self.index, result)?;
        Ok(())
    }
}

impl<F> Replace<F> for GuestHook
where
    F: ContextFamily,
    F::Error: From<Failure>,
    for<'c> F::Context<'c>: Fields,
{
    fn replace<'c>(
        &self,
        context: &mut F::Context<'c>,
        next: &mut Next<'_, 'c, F>,
    ) -> Result<(), WrapError<F::Error>> {
        match self.guest.call(self.index, context).map_err(own)? {
            Ending::Decline => Ok(next.call(context)?),
            Ending::Continue | Ending::Answer => Ok(()),
        }
    }
}

impl<F> Around<F> for GuestHook
where
    F: ContextFamily,
    F::Error: From<Failure>,
    for<'c> F::Context<'c>: Fields,
{
    fn around<'c>(
        &self,
        context: &mut F::Context<'c>,
        next: &mut Next<'_, 'c, F>,
    ) -> Result<(), WrapError<F::Error>> {
        if self.guest.call(self.index, context).map_err(own)? == Ending::Answer {
            return Ok(());
        }
        let inner = next.call(context);
        let failed = inner.is_err();
        match self.guest.leave(self.index, failed, context).map_err(own)? {
            // It has dealt with the failure: what stands in the context is the result.
            Ending::Answer => Ok(()),
            Ending::Continue | Ending::Decline => Ok(inner?),
        }
    }
}

fn own<E: From<Failure>>(failure: Failure) -> WrapError<E> {
    WrapError::Own(failure.into())
}
