//! Hooks that wait: they run on the library's runtime and answer their caller by message, so that no
//! scheduler is held.
//!
//! A [`NativeHook`](crate::NativeHook) of [`Cost::Blocking`](crate::Cost) gets a thread and a copy of the
//! context. An [`NativeAsyncHook`] gets the fields that it names, is polled beside thousands of others, and
//! says what to change. Either is cancelled when its caller gives up or dies.

mod background_run;
mod changes;
mod configured;
mod fields;
mod native_async_hook;
mod nifs;
mod outcome;

pub use changes::Changes;
pub use configured::ConfiguredAsyncHook;
pub use fields::Fields;
pub use native_async_hook::NativeAsyncHook;

pub(crate) use background_run::BackgroundRun;
pub(crate) use native_async_hook::DynAsyncHook;
