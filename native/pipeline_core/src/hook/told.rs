/// What hooks of a point, in the field `listing`, tell of themselves, whether they form a chain or listen, and wait or not.
macro_rules! tell_by_listing {
    () => {
        /// The point whose hooks these are.
        pub fn point(&self) -> &$crate::plugin::Name {
            self.listing.point()
        }

        /// The hooks as data, in the order: around, before, replace, after; or listeners.
        pub fn describe(&self) -> $crate::hook::ChainDescription {
            self.listing.describe()
        }

        /// How many hooks there are.
        pub fn len(&self) -> usize {
            self.listing.hooks().len()
        }

        /// Whether there is none.
        pub fn is_empty(&self) -> bool {
            self.listing.hooks().is_empty()
        }

        /// The same hooks, of which `tell` is called when a run changes a circuit, or a reset here does. A panic of
        /// `tell` is the caller's.
        #[must_use]
        pub fn on_circuit_change(
            mut self,
            tell: impl Fn(&$crate::hook::CircuitChange) + Send + Sync + 'static,
        ) -> Self {
            self.listing.observe(tell);
            self
        }

        /// The circuits of those hooks that have one, in the order of the hooks.
        pub fn circuits(
            &self,
        ) -> impl Iterator<
            Item = (
                $crate::hook::HookKind,
                &$crate::plugin::PluginId,
                &$crate::hook::Circuit,
            ),
        > {
            self.listing.circuits()
        }

        /// Closes the circuits of a plugin's hooks, whatever they have seen, and returns how many there are.
        pub fn reset_circuits(&self, plugin: &$crate::plugin::PluginId) -> usize {
            self.listing.reset_circuits(plugin)
        }
    };
}

pub(super) use tell_by_listing;
