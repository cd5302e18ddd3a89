//! A plugin's id and manifest.

mod capability;
mod capability_value;
mod dependency;
mod hook;
mod id;
mod manifest;
mod name;
mod provision;
#[cfg(feature = "schema")]
mod schema;

pub use capability::Capability;
pub use capability_value::CapabilityValue;
pub use dependency::{Dependency, DependencyError, Needs};
pub use hook::{DEFAULT_PRIORITY, DeclaredHook};
pub use id::PluginId;
pub use manifest::Manifest;
pub use name::Name;
pub use provision::Provides;
