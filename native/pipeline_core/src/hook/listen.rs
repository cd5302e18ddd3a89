use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::failure::panic_message;
use super::listing::tell_by_listing;
use super::listing::{HookListing, Listed};
use super::verdict::is_skipped;
use super::{Attachment, Cause, ChainError, Circuit, ContextFamily, HookError, HookKind, OnError};
use crate::plugin::{Name, PluginId};

/// A hook on a point that is no chain: it is called with the context and gives a value.
pub trait Listen<F: ContextFamily, V>: Send + Sync {
    /// Reads the context.
    fn listen(&self, context: &F::Context<'_>) -> Result<V, F::Error>;
}

/// A [`Listen`] hook, with what its failure does to the run.
pub struct Listener<F: ContextFamily, V> {
    hook: Arc<dyn Listen<F, V>>,
    on_error: OnError,
    circuit: Option<Circuit>,
}

impl<F: ContextFamily, V> Listener<F, V> {
    /// A hook whose failure halts the run.
    pub fn new(hook: impl Listen<F, V> + 'static) -> Self {
        Self {
            hook: Arc::new(hook),
            on_error: OnError::Halt,
            circuit: None,
        }
    }

    /// Says what a failure does to the run.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// Gives it a circuit, as [`Hook::circuit`](super::Hook::circuit) does.
    #[must_use]
    pub fn circuit(mut self, circuit: impl Into<Circuit>) -> Self {
        self.circuit = Some(circuit.into());
        self
    }
}

impl<F: ContextFamily, V> Listed for Listener<F, V> {
    fn kind(&self) -> HookKind {
        HookKind::Listen
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn timeout(&self) -> Option<Duration> {
        None
    }

    fn circuit(&self) -> Option<&Circuit> {
        self.circuit.as_ref()
    }
}

impl<F: ContextFamily, V> Clone for Listener<F, V> {
    fn clone(&self) -> Self {
        Self {
            hook: self.hook.clone(),
            on_error: self.on_error,
            circuit: self.circuit.clone(),
        }
    }
}

impl<F: ContextFamily, V> fmt::Debug for Listener<F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("on_error", &self.on_error)
            .finish_non_exhaustive()
    }
}

/// The listeners of one point, in the order in which they are called.
pub struct Listeners<F: ContextFamily, V> {
    listing: HookListing,
    hooks: Vec<Listener<F, V>>,
    plugins: Vec<PluginId>,
}

impl<F: ContextFamily, V> Listeners<F, V> {
    /// Orders listeners. `dependencies` gives the ids that a plugin depends on directly.
    ///
    /// # Errors
    ///
    /// [`ChainError::Contradiction`] when named constraints contradict each other.
    pub fn new<'d>(
        point: impl Into<Name>,
        hooks: Vec<Attachment<Listener<F, V>>>,
        dependencies: impl Fn(&PluginId) -> &'d [PluginId],
    ) -> Result<Self, ChainError> {
        let mut ordered = Vec::with_capacity(hooks.len());
        let listing = HookListing::order(point, hooks, dependencies, |hook| ordered.push(hook))?;
        let plugins = listing.hooks().iter().map(|hook| hook.plugin.clone());
        Ok(Self {
            plugins: plugins.collect(),
            listing,
            hooks: ordered,
        })
    }

    /// The plugins that have the hooks, in order.
    pub fn plugins(&self) -> &[PluginId] {
        &self.plugins
    }

    tell_by_listing!();

    /// Mode `:collect`: the values of all, in order.
    ///
    /// # Errors
    ///
    /// The first failure that is not skipped; those that are skipped are added to `skipped`.
    pub fn collect(
        &self,
        context: &F::Context<'_>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<Vec<V>, HookError<F::Error>> {
        let mut values = Vec::with_capacity(self.hooks.len());
        for index in 0..self.hooks.len() {
            values.extend(self.heard(index, context, skipped)?);
        }
        Ok(values)
    }

    /// Mode `:notify`: all are called and their values ignored. No failure stops the others; all are
    /// returned.
    pub fn notify(&self, context: &F::Context<'_>) -> Vec<HookError<F::Error>> {
        (0..self.hooks.len())
            .filter_map(|index| self.call(index, context).err())
            .collect()
    }

    fn heard(
        &self,
        index: usize,
        context: &F::Context<'_>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<Option<V>, HookError<F::Error>> {
        match self.call(index, context) {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_skipped(self.hooks[index].on_error) => {
                skipped.push(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn call(&self, index: usize, context: &F::Context<'_>) -> Result<V, HookError<F::Error>> {
        let Listener { hook, circuit, .. } = &self.hooks[index];
        let admitted = self
            .listing
            .admit(HookKind::Listen, index, circuit.as_ref())
            .map_err(|cause| self.error(index, cause))?;
        let result = match catch_unwind(AssertUnwindSafe(|| hook.listen(context))) {
            Ok(result) => result.map_err(Cause::Failed),
            Err(payload) => Err(Cause::Panicked(panic_message(&*payload))),
        };
        admitted.ended::<F>(result.as_ref().err());
        result.map_err(|cause| self.error(index, cause))
    }

    fn error(&self, index: usize, cause: Cause<F::Error>) -> HookError<F::Error> {
        self.listing.error(HookKind::Listen, index, cause)
    }
}

impl<F: ContextFamily, V> Listeners<F, Option<V>> {
    /// Mode `:first`: the first value that is one. Later listeners are not called.
    ///
    /// # Errors
    ///
    /// A failure ahead of that which is not skipped; those that are skipped are added to `skipped`.
    pub fn first(
        &self,
        context: &F::Context<'_>,
        skipped: &mut Vec<HookError<F::Error>>,
    ) -> Result<Option<V>, HookError<F::Error>> {
        for index in 0..self.hooks.len() {
            if let Some(value) = self.heard(index, context, skipped)?.flatten() {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

impl<F: ContextFamily, V> fmt::Debug for Listeners<F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners")
            .field("point", self.listing.point())
            .field("plugins", &self.plugins)
            .finish_non_exhaustive()
    }
}
