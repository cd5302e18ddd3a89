use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::attachment::in_order;
use super::failure::panic_message;
use super::{Attachment, Cause, ChainError, ContextFamily, HookError, Kind, OnError};
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
}

impl<F: ContextFamily, V> Listener<F, V> {
    /// A hook whose failure halts the run.
    pub fn new(hook: impl Listen<F, V> + 'static) -> Self {
        Self {
            hook: Arc::new(hook),
            on_error: OnError::Halt,
        }
    }

    /// Says what a failure does to the run.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }
}

impl<F: ContextFamily, V> Clone for Listener<F, V> {
    fn clone(&self) -> Self {
        Self {
            hook: self.hook.clone(),
            on_error: self.on_error,
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
    point: Name,
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
        let point = point.into();
        let ordered = in_order(&point, hooks, |_| Kind::Listen, dependencies)?;
        let (plugins, hooks) = ordered
            .into_iter()
            .map(|hook| (hook.plugin, hook.hook))
            .unzip();
        Ok(Self {
            point,
            hooks,
            plugins,
        })
    }

    /// Whose hooks they are, in order.
    pub fn plugins(&self) -> &[PluginId] {
        &self.plugins
    }

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

    /// Mode `:notify`: all are called and their values ignored. No failure stops the others; all are returned.
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
        match (self.call(index, context), self.hooks[index].on_error) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(error), OnError::Halt) => Err(error),
            (Err(error), OnError::Skip) => {
                skipped.push(error);
                Ok(None)
            }
        }
    }

    fn call(&self, index: usize, context: &F::Context<'_>) -> Result<V, HookError<F::Error>> {
        let hook = &self.hooks[index].hook;
        let cause = match catch_unwind(AssertUnwindSafe(|| hook.listen(context))) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Cause::Failed(error),
            Err(payload) => Cause::Panicked(panic_message(&*payload)),
        };
        Err(HookError {
            plugin: self.plugins[index].clone(),
            point: self.point.clone(),
            kind: Kind::Listen,
            index,
            cause,
        })
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
            .field("point", &self.point)
            .field("plugins", &self.plugins)
            .finish_non_exhaustive()
    }
}
