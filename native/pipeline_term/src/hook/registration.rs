use super::{ConfigError, ConfigProblem, Cost, Hook, NativeHook, Phase, Run};
use crate::data::Data;
use crate::deep_stack::on_deep_stack;
use crate::failure::panic_message;
use crate::suggestion::closest;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use thiserror::Error;

/// A kind of native hook that this library holds.
pub struct Registration {
    /// The name that plugins give.
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// The phases it serves.
    pub phases: &'static [Phase],
    /// What a call costs.
    pub cost: Cost,
    configure: fn(Data) -> Result<Arc<dyn Run>, ConfigError>,
}

inventory::collect!(Registration);

/// Why there is no hook of a name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LookupError {
    /// Nothing is registered under it.
    #[error("no native hook has this name")]
    Unknown {
        /// The name most like it.
        did_you_mean: Option<&'static str>,
    },
    /// Two crates registered it.
    #[error("several native hooks have this name; rename one")]
    Ambiguous,
}

impl Registration {
    /// The registration of `H`; what [`register_hooks!`](crate::register_hooks) submits.
    pub const fn of<H: NativeHook>() -> Self {
        Self {
            name: H::NAME,
            doc: H::DOC,
            phases: H::PHASES,
            cost: H::COST,
            configure: configure::<H>,
        }
    }

    /// All registrations in this library, by name.
    pub fn all() -> Vec<&'static Self> {
        let mut all: Vec<_> = inventory::iter::<Self>().collect();
        all.sort_by_key(|registration| registration.name);
        all
    }

    /// The registration of the hook called `name`.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn find(name: &str) -> Result<&'static Self, LookupError> {
        let mut named = inventory::iter::<Self>().filter(|registration| registration.name == name);
        match (named.next(), named.next()) {
            (Some(found), None) => Ok(found),
            (Some(_), Some(_)) => Err(LookupError::Ambiguous),
            (None, _) => Err(LookupError::Unknown {
                did_you_mean: closest(
                    name,
                    inventory::iter::<Self>().map(|registration| registration.name),
                ),
            }),
        }
    }

    /// Makes a hook of this kind.
    ///
    /// # Errors
    /// If the configuration is not one for it.
    pub fn configure(&'static self, config: Data) -> Result<Hook, ConfigError> {
        // Parsers of schemas, patterns and templates recurse. Nothing that a panic leaves half-made is kept.
        let configured = catch_unwind(AssertUnwindSafe(|| {
            on_deep_stack(|| (self.configure)(config))
        }));
        let object = configured.unwrap_or_else(|payload| {
            Err(ConfigError::whole(ConfigProblem::Panicked(panic_message(
                &*payload,
            ))))
        })?;
        Ok(Hook::new(object, self))
    }
}

fn configure<H: NativeHook>(config: Data) -> Result<Arc<dyn Run>, ConfigError> {
    // A hook without configuration may be given none.
    let config = if config == Data::Nil {
        Data::Map(Vec::new())
    } else {
        config
    };
    let config: H::Config =
        serde_path_to_error::deserialize(config).map_err(ConfigError::from_shape)?;
    Ok(Arc::new(H::configure(config)?))
}

/// Registers native hooks, so that they are found by name in the library that links this crate.
///
/// Each argument is a type that implements [`NativeHook`](crate::NativeHook); see there for an example.
#[macro_export]
macro_rules! register_hooks {
    ($($hook:ty),+ $(,)?) => {
        $($crate::inventory::submit! { $crate::Registration::of::<$hook>() })+
    };
}
