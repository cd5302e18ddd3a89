use super::order::{OrderEntry, order, place_by_builders};
use super::{ChainError, HookKind};
use crate::plugin::{DEFAULT_PRIORITY, Name, PluginId};

/// A hook as a plugin attached it to a point: a [`Hook`](super::Hook), or a [`Listener`](super::Listener).
#[derive(Clone, Debug)]
pub struct Attachment<H> {
    /// The plugin that has the hook.
    pub plugin: PluginId,
    /// The hook's number in the order of registration.
    pub registration: u64,
    /// Higher runs first.
    pub priority: i64,
    /// Plugins whose hooks it stands just before.
    pub before: Vec<PluginId>,
    /// Plugins whose hooks it stands just after.
    pub after: Vec<PluginId>,
    /// The hook.
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

    place_by_builders!();
}

/// The attachments of a point in the order in which they run.
pub(super) fn in_order<'d, H>(
    point: &Name,
    attachments: Vec<Attachment<H>>,
    kind: impl Fn(&H) -> HookKind,
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
        entries.push(OrderEntry {
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
    let mut entries: Vec<Option<OrderEntry<PluginId>>> = entries.into_iter().map(Some).collect();
    let ordered = sequence.into_iter().filter_map(|index| {
        let OrderEntry {
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
