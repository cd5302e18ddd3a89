use std::fmt;

use super::attached::Hooks;
#[cfg(feature = "async")]
use crate::hook::asynchronous::AsyncHook;
use crate::hook::{Attachment, ContextFamily, Hook, PointName};
use crate::plugin::PluginId;

/// Takes the hooks that a plugin attaches while it is built.
pub struct Registrar<F: ContextFamily> {
    plugin: PluginId,
    next_registration: u64,
    hooks: Hooks<F>,
}

impl<F: ContextFamily> Registrar<F> {
    pub(super) fn new(plugin: PluginId, next_registration: u64) -> Self {
        Self {
            plugin,
            next_registration,
            hooks: Hooks {
                sync: Vec::new(),
                #[cfg(feature = "async")]
                waiting: Vec::new(),
            },
        }
    }

    /// Attaches a hook to a point. Priority and constraints can be set on what is returned.
    pub fn attach(&mut self, point: impl PointName<F>, hook: Hook<F>) -> &mut Attachment<Hook<F>> {
        let attachment = self.attachment(hook);
        let (_, attached) = self.hooks.sync.push_mut((point.to_name(), attachment));
        attached
    }

    /// Attaches a hook to an async point, as [`Registrar::attach`] does to a sync one. The two are apart,
    /// also when they go by one name; [`AsyncHook::sync`] brings a sync hook over.
    #[cfg(feature = "async")]
    pub fn attach_async(
        &mut self,
        point: impl PointName<F>,
        hook: AsyncHook<F>,
    ) -> &mut Attachment<AsyncHook<F>> {
        let attachment = self.attachment(hook);
        let (_, attached) = self.hooks.waiting.push_mut((point.to_name(), attachment));
        attached
    }

    /// The plugin that is being built.
    pub fn plugin(&self) -> &PluginId {
        &self.plugin
    }

    fn attachment<H>(&mut self, hook: H) -> Attachment<H> {
        let attachment = Attachment::new(self.plugin.clone(), self.next_registration, hook);
        self.next_registration += 1;
        attachment
    }

    fn count(&self) -> usize {
        let count = self.hooks.sync.len();
        #[cfg(feature = "async")]
        let count = count + self.hooks.waiting.len();
        count
    }

    pub(super) fn finish(self) -> (u64, Hooks<F>) {
        (self.next_registration, self.hooks)
    }
}

impl<F: ContextFamily> fmt::Debug for Registrar<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar")
            .field("plugin", &self.plugin)
            .field("attached", &self.count())
            .finish_non_exhaustive()
    }
}
