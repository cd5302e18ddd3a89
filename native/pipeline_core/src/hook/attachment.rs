use std::fmt;
use std::sync::Arc;

use super::order::{Entry, order};
use super::{
    After, Around, Before, ChainError, ContextFamily, Kind, Next, OnError, Replace, WrapError,
};
use crate::plugin::{DEFAULT_PRIORITY, Name, PluginId};

/// Copies a context, so that a hook that fails half-way can be undone.
pub(super) trait Rescue<F: ContextFamily>: Sync {
    fn copy<'c>(&self, context: &F::Context<'c>) -> F::Context<'c>;
}

pub(super) type RescueRef<F> = &'static dyn Rescue<F>;

struct ByClone;

impl<F: ContextFamily> Rescue<F> for ByClone
where
    for<'c> F::Context<'c>: Clone,
{
    fn copy<'c>(&self, context: &F::Context<'c>) -> F::Context<'c> {
        context.clone()
    }
}

/// A hook of a chain, of any kind, with what its failure does to the run.
pub struct Hook<F: ContextFamily> {
    pub(super) call: Call<F>,
    /// `Some` when a failure is skipped.
    pub(super) rescue: Option<RescueRef<F>>,
}

pub(super) enum Call<F: ContextFamily> {
    Around(Arc<dyn Around<F>>),
    Before(Arc<dyn Before<F>>),
    Replace(Arc<dyn Replace<F>>),
    After(Arc<dyn After<F>>),
}

impl<F: ContextFamily> Hook<F> {
    /// A hook that wraps everything inside.
    pub fn around(hook: impl Around<F> + 'static) -> Self {
        Self::halting(Call::Around(Arc::new(hook)))
    }

    /// A hook that runs ahead of the base operation.
    pub fn before(hook: impl Before<F> + 'static) -> Self {
        Self::halting(Call::Before(Arc::new(hook)))
    }

    /// A hook that stands in for the base operation.
    pub fn replace(hook: impl Replace<F> + 'static) -> Self {
        Self::halting(Call::Replace(Arc::new(hook)))
    }

    /// A hook that runs on the result.
    pub fn after(hook: impl After<F> + 'static) -> Self {
        Self::halting(Call::After(Arc::new(hook)))
    }

    /// As [`Hook::around`], for a closure. Its signature ties the lifetimes of context and `next` together, which a
    /// closure on its own cannot express.
    pub fn around_fn<H>(hook: H) -> Self
    where
        H: for<'r, 'c> Fn(
                &mut F::Context<'c>,
                &mut Next<'r, 'c, F>,
            ) -> Result<(), WrapError<F::Error>>
            + Send
            + Sync
            + 'static,
    {
        Self::around(hook)
    }

    /// As [`Hook::replace`], for a closure; see [`Hook::around_fn`].
    pub fn replace_fn<H>(hook: H) -> Self
    where
        H: for<'r, 'c> Fn(
                &mut F::Context<'c>,
                &mut Next<'r, 'c, F>,
            ) -> Result<(), WrapError<F::Error>>
            + Send
            + Sync
            + 'static,
    {
        Self::replace(hook)
    }

    fn halting(call: Call<F>) -> Self {
        Self { call, rescue: None }
    }

    /// Says what a failure does to the run. Skipping copies the context before each call, and after each `next`, so
    /// that what the hook did half-way can be undone.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self
    where
        for<'c> F::Context<'c>: Clone,
    {
        self.rescue = match on_error {
            OnError::Halt => None,
            OnError::Skip => Some(&ByClone),
        };
        self
    }

    /// What it does.
    pub fn kind(&self) -> Kind {
        match self.call {
            Call::Around(_) => Kind::Around,
            Call::Before(_) => Kind::Before,
            Call::Replace(_) => Kind::Replace,
            Call::After(_) => Kind::After,
        }
    }
}

impl<F: ContextFamily> Clone for Hook<F> {
    fn clone(&self) -> Self {
        let call = match &self.call {
            Call::Around(hook) => Call::Around(hook.clone()),
            Call::Before(hook) => Call::Before(hook.clone()),
            Call::Replace(hook) => Call::Replace(hook.clone()),
            Call::After(hook) => Call::After(hook.clone()),
        };
        let rescue = self.rescue;
        Self { call, rescue }
    }
}

impl<F: ContextFamily> fmt::Debug for Hook<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

/// A hook as a plugin attached it to a point: a [`Hook`], or a [`Listener`](super::Listener).
#[derive(Clone, Debug)]
pub struct Attachment<H> {
    /// Whose hook it is.
    pub plugin: PluginId,
    /// The hook's number in the order of registration.
    pub registration: u64,
    /// Higher runs first.
    pub priority: i64,
    /// Plugins whose hooks it stands just before.
    pub before: Vec<PluginId>,
    /// Plugins whose hooks it stands just after.
    pub after: Vec<PluginId>,
    /// What is called.
    pub hook: H,
}

impl<H> Attachment<H> {
    /// A hook with the default priority and without constraints.
    pub fn new(plugin: impl Into<PluginId>, registration: u64, hook: H) -> Self {
        Self {
            plugin: plugin.into(),
            registration,
            priority: DEFAULT_PRIORITY,
            before: Vec::new(),
            after: Vec::new(),
            hook,
        }
    }

    /// Sets the priority.
    #[must_use]
    pub fn priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }

    /// Puts the hook just before those of a plugin.
    #[must_use]
    pub fn before(mut self, plugin: impl Into<PluginId>) -> Self {
        self.before.push(plugin.into());
        self
    }

    /// Puts the hook just after those of a plugin.
    #[must_use]
    pub fn after(mut self, plugin: impl Into<PluginId>) -> Self {
        self.after.push(plugin.into());
        self
    }
}

/// The attachments of a point in the order in which they run.
pub(super) fn in_order<'d, H>(
    point: &Name,
    attachments: Vec<Attachment<H>>,
    kind: impl Fn(&H) -> Kind,
    dependencies: impl Fn(&PluginId) -> &'d [PluginId],
) -> Result<Vec<Attachment<H>>, ChainError> {
    let mut hooks = Vec::with_capacity(attachments.len());
    let mut entries = Vec::with_capacity(attachments.len());
    for Attachment {
        plugin,
        registration,
        priority,
        before,
        after,
        hook,
    } in attachments
    {
        entries.push(Entry {
            plugin,
            kind: kind(&hook),
            priority,
            registration,
            before,
            after,
        });
        hooks.push(Some(hook));
    }
    // The result names plugins by the entries, so that these have to outlive the order.
    let sequence = {
        let dependencies = |id: &PluginId| dependencies(id);
        order(&entries, dependencies)
    };
    let sequence = sequence.map_err(|contradiction| ChainError::Contradiction {
        point: point.clone(),
        contradiction,
    })?;
    let mut entries: Vec<Option<Entry<PluginId>>> = entries.into_iter().map(Some).collect();
    let ordered = sequence.into_iter().filter_map(|index| {
        let Entry {
            plugin,
            priority,
            registration,
            before,
            after,
            ..
        } = entries[index].take()?;
        let hook = hooks[index].take()?;
        Some(Attachment {
            plugin,
            registration,
            priority,
            before,
            after,
            hook,
        })
    });
    Ok(ordered.collect())
}
