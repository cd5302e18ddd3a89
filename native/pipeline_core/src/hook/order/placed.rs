/// The builders of what is placed among other hooks by its fields `priority`, `before` and `after`.
macro_rules! place_by_builders {
    () => {
        /// Sets the priority.
        #[must_use]
        pub fn priority(mut self, priority: i64) -> Self {
            self.priority = priority;
            self
        }

        /// Puts the hook just before those of a plugin.
        #[must_use]
        pub fn before(mut self, plugin: impl Into<$crate::plugin::PluginId>) -> Self {
            self.before.push(plugin.into());
            self
        }

        /// Puts the hook just after those of a plugin.
        #[must_use]
        pub fn after(mut self, plugin: impl Into<$crate::plugin::PluginId>) -> Self {
            self.after.push(plugin.into());
            self
        }
    };
}

pub(crate) use place_by_builders;
