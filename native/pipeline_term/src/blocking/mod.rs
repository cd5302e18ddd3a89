//! Hooks that wait: they run on the library's runtime and answer their caller by message, so that no scheduler is held.
//!
//! A [`NativeHook`](crate::NativeHook) of [`Cost::Blocking`](crate::Cost) gets a thread and a copy of the context. An
//! [`AsyncHook`] gets the fields that it names, is polled beside thousands of others, and says what to change. Either
//! is cancelled when its caller gives up or dies.

mod async_hook;
mod changes;
mod fields;
mod nifs;
mod outcome;
mod run;
mod waiting;

pub use async_hook::AsyncHook;
pub use changes::Changes;
pub use fields::Fields;
pub use waiting::Waiting;

pub(crate) use async_hook::Start;
pub(crate) use nifs::AsyncResource;
