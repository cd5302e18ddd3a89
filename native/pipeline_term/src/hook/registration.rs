use super::{
    ConfigError, ConfigProblem, ConfiguredHook, Cost, Description, DynNativeHook, NativeHook, Phase,
};
use crate::around::{ConfiguredAround, DynNativeAround, NativeAround};
use crate::blocking::{ConfiguredAsyncHook, DynAsyncHook, NativeAsyncHook};
use crate::data::Data;
use crate::deep_stack::on_deep_stack;
use pipeline_core::did_you_mean::closest;
use pipeline_core::hook::panic_message;
use serde::de::DeserializeOwned;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use thiserror::Error;

/// A kind of native hook that this library holds.
pub struct Registration {
    /// The name that plugins give.
    pub name: &'static str,
    /// Its purpose, in one line.
    pub doc: &'static str,
    /// How it is configured.
    pub description: Description,
    /// The phases it serves; none if it is an around.
    pub phases: &'static [Phase],
    /// The cost of a call.
    pub cost: Cost,
    make: Make,
}

/// Makes a hook of a configuration.
enum Make {
    Hook(fn(Data) -> Result<Arc<dyn DynNativeHook>, ConfigError>),
    Around(fn(Data) -> Result<Arc<dyn DynNativeAround>, ConfigError>),
    Async(fn(Data) -> Result<Arc<dyn DynAsyncHook>, ConfigError>),
}

/// A native hook that is ready to be called.
#[derive(Clone, Debug)]
pub enum Configured {
    /// One that runs on the caller's context, or on a copy where it blocks.
    Hook(ConfiguredHook),
    /// One that wraps what is inside.
    Around(ConfiguredAround),
    /// One that is polled by the library's runtime.
    Async(ConfiguredAsyncHook),
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
    ///
    /// # Panics
    /// While it is compiled, if the hook says [`Cost::Async`].
    pub const fn of<H: NativeHook>() -> Self {
        assert!(
            !matches!(H::COST, Cost::Async),
            "Cost::Async is what a NativeAsyncHook costs: implement that, or say Cost::Blocking"
        );
        Self {
            name: H::NAME,
            doc: H::DOC,
            description: H::DESCRIPTION,
            phases: H::PHASES,
            cost: H::COST,
            make: Make::Hook(|config| {
                let hook = H::configure(read(config)?)?;
                Ok(Arc::new(hook))
            }),
        }
    }

    /// The registration of `A`; what [`register_arounds!`](crate::register_arounds) submits.
    ///
    /// # Panics
    /// While it is compiled, if the around says another cost than [`Cost::Light`] or [`Cost::Heavy`].
    pub const fn of_around<A: NativeAround>() -> Self {
        assert!(
            matches!(A::COST, Cost::Light | Cost::Heavy),
            "what wraps a run stays in its process: an around is Cost::Light or Cost::Heavy"
        );
        Self {
            name: A::NAME,
            doc: A::DOC,
            description: A::DESCRIPTION,
            phases: &[],
            cost: A::COST,
            make: Make::Around(|config| {
                let around = A::configure(read(config)?)?;
                Ok(Arc::new(around))
            }),
        }
    }

    /// The registration of `H`; what [`register_async_hooks!`](crate::register_async_hooks) submits.
    pub const fn of_async<H: NativeAsyncHook>() -> Self {
        Self {
            name: H::NAME,
            doc: H::DOC,
            description: H::DESCRIPTION,
            phases: H::PHASES,
            cost: Cost::Async,
            make: Make::Async(|config| {
                let hook = H::configure(read(config)?)?;
                Ok(Arc::new(hook))
            }),
        }
    }

    /// The kinds of hooks that it can be declared as, by the names that Elixir knows them by.
    pub fn kinds(&self) -> Vec<&'static str> {
        match self.make {
            Make::Around(_) => vec!["around"],
            Make::Hook(_) | Make::Async(_) => {
                self.phases.iter().map(|phase| phase.name()).collect()
            }
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
    pub fn configure(&'static self, config: Data) -> Result<Configured, ConfigError> {
        // Parsers of schemas, patterns and templates recurse. Nothing that a panic leaves half-made is kept.
        let configured = catch_unwind(AssertUnwindSafe(|| {
            on_deep_stack(|| match self.make {
                Make::Hook(make) => Ok(Configured::Hook(ConfiguredHook::new(make(config)?, self))),
                Make::Around(make) => Ok(Configured::Around(ConfiguredAround::new(
                    make(config)?,
                    self,
                ))),
                Make::Async(make) => Ok(Configured::Async(ConfiguredAsyncHook::new(
                    make(config)?,
                    self,
                ))),
            })
        }));
        configured.unwrap_or_else(|payload| {
            Err(ConfigError::whole(ConfigProblem::Panicked(panic_message(
                &*payload,
            ))))
        })
    }
}

/// The configuration as the hook's own type.
fn read<C: DeserializeOwned>(config: Data) -> Result<C, ConfigError> {
    // A hook without configuration may be given none.
    let config = if config == Data::Nil {
        Data::Map(Vec::new())
    } else {
        config
    };
    serde_path_to_error::deserialize(config).map_err(ConfigError::from_shape)
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

/// Registers native arounds. Each argument is a type that implements [`NativeAround`](crate::NativeAround).
#[macro_export]
macro_rules! register_arounds {
    ($($around:ty),+ $(,)?) => {
        $($crate::inventory::submit! { $crate::Registration::of_around::<$around>() })+
    };
}

/// Registers async hooks. Each argument is a type that implements
/// [`NativeAsyncHook`](crate::NativeAsyncHook).
#[macro_export]
macro_rules! register_async_hooks {
    ($($hook:ty),+ $(,)?) => {
        $($crate::inventory::submit! { $crate::Registration::of_async::<$hook>() })+
    };
}
