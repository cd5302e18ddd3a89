//! Native hooks: the trait they implement, how they are registered, configured and found.

mod config_error;
mod configured;
mod description;
mod flow;
mod native_hook;
mod phase;
mod registration;

pub use config_error::{ConfigError, ConfigProblem, PathElement};
pub use configured::ConfiguredHook;
pub use description::{Description, Field};
pub use flow::Flow;
pub use native_hook::NativeHook;
pub use phase::{Cost, Phase};
pub use registration::{Configured, LookupError, Registration};

pub(crate) use native_hook::DynNativeHook;
