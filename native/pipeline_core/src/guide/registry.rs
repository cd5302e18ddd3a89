//! The registry.
//!
//! A [`Host`](crate::host::Host) keeps its manifests in a registry, of which
//! [`Host::manifests`](crate::host::Host::manifests) gives a [`Snapshot`](crate::registry::Snapshot): it does
//! not change any more and holds nobody up. What is found by capability is in load order; of several
//! providers of a type, the default goes first, then the higher priority.
//!
//! ```
//! use pipeline_core::plugin::{Capability, Manifest, PluginId};
//! use pipeline_core::registry::Registry;
//! use pipeline_core::semver::Version;
//!
//! let registry = Registry::new();
//! let language = |id: &str, language: &str| {
//!     let summaries = Capability::new("summarise").value(language);
//!     Manifest::new(id, Version::new(1, 0, 0)).capability(summaries)
//! };
//! registry.register_all([language("plain", "en"), language("genau", "de")])?;
//!
//! assert_eq!(registry.find_by_capability(&"summarise".into()).len(), 2);
//! let german = registry.find_by_capability_value(&"summarise".into(), &"de".into());
//! assert_eq!(german, [PluginId::symbol("genau")]);
//!
//! // A program that derives something from the registry asks for the changes since.
//! let snapshot = registry.snapshot();
//! registry.unregister(&"plain".into())?;
//! assert!(snapshot.contains(&"plain".into()));
//! let changes = registry.changed_since(snapshot.generation())?;
//! assert_eq!(changes.removed, [PluginId::symbol("plain")]);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! One writer changes the registry at a time, by publishing the next snapshot; the maps in it share all but
//! what changed, so that a registration among 10,000 plugins costs little more than one among ten. Readers
//! take one atomic load.
//!
//! A registry holds any [`RegistryEntry`](crate::registry::RegistryEntry), not manifests alone: the ids, the
//! capabilities and their values can be types of one's own. An id is a symbol or a text
//! ([`PluginId`](crate::plugin::PluginId)), and the two never meet: `"cache".into()` is the symbol.
