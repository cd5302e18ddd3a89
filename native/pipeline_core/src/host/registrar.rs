use std::fmt;

use crate::hook::{Attachment, ContextFamily, Hook};
use crate::plugin::{Name, PluginId};

/// Hooks, each with its point.
pub(super) type Attached<F> = Vec<(Name, Attachment<Hook<F>>)>;

/// Takes the hooks that a plugin attaches while it is built.
pub struct Registrar<F: ContextFamily> {
    plugin: PluginId,
    next_registration: u64,
    attachments: Attached<F>,
}

impl<F: ContextFamily> Registrar<F> {
    pub(super) fn new(plugin: PluginId, next_registration: u64) -> Self {
        Self {
            plugin,
            next_registration,
            attachments: Vec::new(),
        }
    }

    /// Attaches a hook to a point. Priority and constraints can be set on what is returned.
    pub fn attach(&mut self, point: impl Into<Name>, hook: Hook<F>) -> &mut Attachment<Hook<F>> {
        let attachment = Attachment::new(self.plugin.clone(), self.next_registration, hook);
        self.next_registration += 1;
        let (_, attached) = self.attachments.push_mut((point.into(), attachment));
        attached
    }

    /// The plugin that is being built.
    pub fn plugin(&self) -> &PluginId {
        &self.plugin
    }

    pub(super) fn finish(self) -> (u64, Attached<F>) {
        (self.next_registration, self.attachments)
    }
}

impl<F: ContextFamily> fmt::Debug for Registrar<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar")
            .field("plugin", &self.plugin)
            .field("attached", &self.attachments.len())
            .finish_non_exhaustive()
    }
}
