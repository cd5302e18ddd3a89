use std::error::Error;

use super::Registrar;
use crate::hook::ContextFamily;
use crate::plugin::Manifest;

/// An error of a plugin's own.
pub type PluginError = Box<dyn Error + Send + Sync>;

/// A plugin written in Rust, whose hooks are called with the contexts of `F`.
///
/// The host calls its methods one plugin at a time. They may read the host and run hooks, but not load or
/// unload: that is refused with [`HostError::Busy`](super::HostError::Busy). Another thread that does waits until
/// the step has returned, so a step must not wait for such a thread. A panic counts as a failure.
pub trait Plugin<F: ContextFamily>: Send + Sync + 'static {
    /// The plugin's manifest. The host asks once per load.
    fn manifest(&self) -> Manifest;

    /// Attaches the hooks. They are called only once the plugin has started.
    ///
    /// # Errors
    ///
    /// Whatever keeps the plugin from being loaded.
    fn build(&self, registrar: &mut Registrar<F>) -> Result<(), PluginError>;

    /// Makes the plugin ready: called after what it depends on has started, and before its hooks are.
    ///
    /// # Errors
    ///
    /// Whatever keeps the plugin from being loaded. `stop` is not called then.
    fn start(&self) -> Result<(), PluginError> {
        Ok(())
    }

    /// Lets go of what `start` took. No new run calls the plugin's hooks any more; one that began before may
    /// still.
    fn stop(&self) {}
}

/// A boxed plugin is a plugin, so that [`Host::load`](super::Host::load) takes one whose type is not known.
impl<F: ContextFamily> Plugin<F> for Box<dyn Plugin<F>> {
    fn manifest(&self) -> Manifest {
        (**self).manifest()
    }

    fn build(&self, registrar: &mut Registrar<F>) -> Result<(), PluginError> {
        (**self).build(registrar)
    }

    fn start(&self) -> Result<(), PluginError> {
        (**self).start()
    }

    fn stop(&self) {
        (**self).stop();
    }
}
