//! The registered plugins and their capabilities: read without a lock, changed by one writer at a time.
//!
//! A [`Registry`] publishes one [`Snapshot`] after another. A snapshot is made of persistent maps, so that
//! the next one shares all but what changed: one registration costs the logarithm of the number of entries,
//! and a reader that holds on to a snapshot holds nobody up.
//!
//! ```
//! use pipeline_core::plugin::{Capability, Manifest, PluginId};
//! use pipeline_core::registry::Registry;
//!
//! let registry = Registry::new();
//! let version = semver::Version::new(1, 0, 0);
//! registry.register(Manifest::new("summariser", version).capability(Capability::new("llm")))?;
//! assert_eq!(registry.find_by_capability(&"llm".into()), [PluginId::symbol("summariser")]);
//! # Ok::<_, pipeline_core::registry::RegistryError<PluginId>>(())
//! ```

mod current;
mod entry;
mod error;
mod history;
mod index;
mod provider;
mod snapshot;

pub use current::Registry;
pub use entry::RegistryEntry;
pub use error::{ChangesError, RegistryError};
pub use history::RegistryChanges;
pub use provider::{Provider, Provision};
pub use snapshot::Snapshot;

/// A persistent map whose look-ups do not spend most of their time in hashing.
pub(crate) type Map<K, V> =
    imbl::GenericHashMap<K, V, foldhash::fast::RandomState, imbl::shared_ptr::DefaultSharedPtr>;
