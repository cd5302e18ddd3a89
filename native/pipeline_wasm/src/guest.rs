use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use pipeline_core::hook::HookKind;
use serde_json::Value as Json;

use crate::engine::{Budget, Compiled, Instance};
use crate::failure::Part;
use crate::run::Run;
use crate::section::functions;
use crate::{Failure, Fields, Grants, GuestManifest, LoadError, Services};

/// Instances that are kept for later calls.
const KEPT: usize = 16;

/// How long an instance of a module lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// It is kept, and serves one call at a time: what a guest has in its memory stays from call to call. A new one is
    /// made where none is free, and after a failure.
    #[default]
    Plugin,
    /// Each call has a fresh one.
    Run,
}

/// How a guest's hook ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The run goes on.
    Continue,
    /// The context as it stands is the answer.
    Answer,
    /// From a replace hook: the next one is to do it.
    Decline,
}

/// A module that is ready to be called, with what it was granted. [`WasmPlugin`](crate::WasmPlugin) loads one into a
/// host; whoever has a host of another kind calls it directly.
pub struct Guest {
    manifest: GuestManifest,
    compiled: Compiled,
    grants: Grants,
    config: Json,
    services: Option<Arc<dyn Services>>,
    isolation: Isolation,
    idle: Mutex<Vec<Instance>>,
}

impl Guest {
    /// Compiles a module, and checks it against its manifest and against what it is granted. Nothing of it runs.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if it is not one that can be called, or wants more than it is granted.
    pub fn from_bytes(module: &[u8], grants: Grants) -> Result<Self, LoadError> {
        let manifest = GuestManifest::read(module)?;
        let excess = grants.excess(&manifest.asks);
        if !excess.is_empty() {
            return Err(LoadError::AsksForMore(excess));
        }
        let compiled = Compiled::new(module, &grants)?;
        compiled.check_memory(&grants)?;
        for (hook, export) in manifest.plugin.hooks.iter().zip(&manifest.exports) {
            for (index, function) in functions(hook.kind, export).iter().enumerate() {
                compiled.check_function(function, index == 1)?;
            }
        }
        let guest = Self {
            manifest,
            compiled,
            grants,
            config: Json::Null,
            services: None,
            isolation: Isolation::default(),
            idle: Mutex::new(Vec::new()),
        };
        // Data that does not fit into the memory shows itself here rather than in the first call.
        let first = guest.instance()?;
        guest.keep(first);
        Ok(guest)
    }

    /// Gives it a configuration, which it reads with `config_get`.
    #[must_use]
    pub fn config(mut self, config: Json) -> Self {
        self.config = config;
        self
    }

    /// Gives it somebody who writes its log and emits its events. Without, they go nowhere.
    #[must_use]
    pub fn services(mut self, services: Arc<dyn Services>) -> Self {
        self.services = Some(services);
        self
    }

    /// Says how long its instances live.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self.idle.get_mut().clear();
        self
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &GuestManifest {
        &self.manifest
    }

    /// What it was granted.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Calls a hook, by its number in the manifest, and makes its changes to the context. Of an around this is the
    /// half before what is inside.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it refused or failed; the context is as it was then.
    pub fn call(&self, hook: usize, context: &mut dyn Fields) -> Result<Ending, Failure> {
        self.call_half(hook, 0, None, context)
    }

    /// Calls the half of an around after what is inside, and tells it whether that failed.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it refused or failed; the context is as it was then.
    pub fn leave(
        &self,
        hook: usize,
        inner_failed: bool,
        context: &mut dyn Fields,
    ) -> Result<Ending, Failure> {
        self.call_half(hook, 1, Some(u32::from(inner_failed)), context)
    }

    fn call_half(
        &self,
        hook: usize,
        half: usize,
        argument: Option<u32>,
        context: &mut dyn Fields,
    ) -> Result<Ending, Failure> {
        let declared = self.manifest.plugin.hooks.get(hook);
        let function = declared.and_then(|declared| {
            let functions = functions(declared.kind, &self.manifest.exports[hook]);
            Some((declared.kind, functions.into_iter().nth(half)?))
        });
        let Some((kind, function)) = function else {
            return Err(Failure::Engine {
                message: "the manifest declares no such hook".to_owned(),
            });
        };
        let plugin = &self.manifest.plugin.id;
        let services = self.services.as_deref();
        let mut run = Run::new(plugin, &*context, &self.grants, &self.config, services);
        run.listens = kind == HookKind::Listen;
        let mut budget = Budget::new(&self.grants);
        let mut instance = self.instance().map_err(|error| Failure::Engine {
            message: error.to_string(),
        })?;
        let status = instance.call(&function, argument, &mut budget, &mut run)?;
        let ending = match status {
            0 => Ending::Continue,
            1 => Ending::Answer,
            4 if kind == HookKind::Replace => Ending::Decline,
            2 | 3 => {
                let reason = run.reason();
                self.keep(instance);
                return Err(match status {
                    2 => Failure::Refused { reason },
                    _ => Failure::Failed { reason },
                });
            }
            number => {
                return Err(Failure::Number {
                    what: Part::Status,
                    number,
                });
            }
        };
        self.keep(instance);
        let (changes, emitted) = run.finish();
        if !changes.is_empty() {
            context.apply(changes)?;
        }
        if let Some(services) = services {
            for (topic, payload) in emitted {
                services.emit(plugin, &topic, payload);
            }
        }
        Ok(ending)
    }

    fn instance(&self) -> Result<Instance, LoadError> {
        let idle = self.idle.lock().pop();
        match idle {
            Some(instance) => Ok(instance),
            None => Instance::new(&self.compiled, self.grants.memory_limit()),
        }
    }

    fn keep(&self, instance: Instance) {
        if self.isolation == Isolation::Plugin {
            let mut idle = self.idle.lock();
            if idle.len() < KEPT {
                idle.push(instance);
            }
        }
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest")
            .field("manifest", &self.manifest)
            .field("grants", &self.grants)
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}
