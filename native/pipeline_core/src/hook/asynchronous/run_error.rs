use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hook::{HookError, HookKind, RunFailure};
use crate::plugin::{Name, PluginId};

/// Why an async run failed, for its caller. Hooks inside see a [`RunFailure`].
///
/// With serde it can be written and read, as the errors of sync hooks can.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunError<E> {
    /// A hook failed.
    #[error(transparent)]
    Hook(HookError<E>),
    /// The base operation returned an error. No plugin is to blame.
    #[error("{0}")]
    Core(E),
    /// The time was up. What waited was dropped.
    #[error("the run on {point} was not over in time: it had come to {running}")]
    DeadlineExceeded {
        /// The point.
        point: Name,
        /// The position of the run.
        running: Running,
    },
    /// Its token was cancelled. What waited was dropped.
    #[error("the run on {point} was cancelled when it had come to {running}")]
    Cancelled {
        /// The point.
        point: Name,
        /// The position of the run.
        running: Running,
    },
}

/// The position of a run that was ended.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Running {
    /// It had not begun.
    #[error("nothing yet")]
    Nothing,
    /// A hook: the innermost.
    #[error("the {kind} hook of {plugin}")]
    Hook {
        /// The plugin that has the hook.
        plugin: PluginId,
        /// Its kind.
        kind: HookKind,
        /// Its place among the hooks of its kind on the point, counted from 0.
        index: usize,
    },
    /// The base operation.
    #[error("the base operation")]
    Core,
}

/// Why a run was ended from outside.
#[derive(Clone, Copy)]
pub(super) enum StopReason {
    Deadline,
    Cancelled,
}

/// The position of a run while it runs.
#[derive(Clone, Copy, Default)]
pub(super) enum RunPosition {
    #[default]
    Nothing,
    Hook(HookKind, usize),
    Core,
}

impl<E> RunError<E> {
    /// A panic of the base operation is the caller's.
    pub(super) fn or_panic(failure: RunFailure<E>) -> Self {
        match failure {
            RunFailure::Hook(error) => Self::Hook(error),
            RunFailure::Core(error) => Self::Core(error),
            RunFailure::CorePanicked(payload) => std::panic::resume_unwind(payload),
        }
    }
}
