use std::any::Any;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::HookKind;
use crate::plugin::{Name, PluginId};

/// Why a hook failed.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause<E> {
    /// It returned an error of its own.
    #[error("failed: {0}")]
    Failed(E),
    /// It panicked, with this message.
    #[error("panicked: {0}")]
    Panicked(String),
    /// It handed on a failure that its `next` never gave it in this run.
    #[error(
        "handed on a failure that did not come from its next; return an error of the hook's own"
    )]
    Stray,
    /// It took longer than this. Only async hooks can.
    #[error("was not done within {0:?}")]
    TimedOut(Duration),
    /// The runtime of a blocking hook shut down before it called the hook.
    #[error("was not called, since its runtime shuts down")]
    Aborted,
    /// It was not called, since its [`Circuit`](super::Circuit) is open.
    #[error(
        "was not called: it has failed too often and its circuit is open; it is tried again after its cool-down, or close \
         it with `reset_circuits`"
    )]
    CircuitOpen,
}

/// The failure of one hook.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[error("the {kind} hook of {plugin} on {point} {cause}")]
pub struct HookError<E> {
    /// The plugin that has the hook.
    pub plugin: PluginId,
    /// The point it is attached to.
    pub point: Name,
    /// Its kind.
    pub kind: HookKind,
    /// Its place among the hooks of its kind on the point, counted from 0.
    pub index: usize,
    /// The cause.
    pub cause: Cause<E>,
}

impl<E> HookError<E> {
    /// The same without the hook's own error.
    pub fn without_details(&self) -> HookError<()> {
        HookError {
            plugin: self.plugin.clone(),
            point: self.point.clone(),
            kind: self.kind,
            index: self.index,
            cause: match &self.cause {
                Cause::Failed(_) => Cause::Failed(()),
                Cause::Panicked(message) => Cause::Panicked(message.clone()),
                Cause::Stray => Cause::Stray,
                Cause::TimedOut(limit) => Cause::TimedOut(*limit),
                Cause::Aborted => Cause::Aborted,
                Cause::CircuitOpen => Cause::CircuitOpen,
            },
        }
    }
}

/// Why a run failed.
#[derive(Debug, Error)]
pub enum RunFailure<E> {
    /// A hook failed.
    #[error(transparent)]
    Hook(HookError<E>),
    /// The base operation returned an error. No plugin is to blame.
    #[error("{0}")]
    Core(E),
    /// The base operation panicked, with this payload. Only hooks around it see this: the caller of the run
    /// gets the panic itself.
    #[error("the base operation panicked")]
    CorePanicked(Box<dyn Any + Send>),
}

/// The message of a panic, from what `catch_unwind` caught.
pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&str>() {
        (*message).to_owned()
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message.clone()
    } else {
        "with a payload that is no text".to_owned()
    }
}
