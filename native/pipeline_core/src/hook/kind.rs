use serde::{Deserialize, Serialize};

use super::ContextFamily;

/// The kind of a hook. The order of the variants is the order in which a chain lists its hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HookKind {
    /// Wraps everything inside; the first is the outermost.
    Around,
    /// Runs ahead of the base operation and may answer in its stead.
    Before,
    /// Stands in for the base operation; the first wins and may fall back on the next.
    Replace,
    /// Runs on the result.
    After,
    /// Hears of what happened, on points that are no chains.
    Listen,
}

impl HookKind {
    /// Every kind, in order.
    pub const ALL: [Self; 5] = [
        Self::Around,
        Self::Before,
        Self::Replace,
        Self::After,
        Self::Listen,
    ];

    /// The kind as it is written in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Around => "around",
            Self::Before => "before",
            Self::Replace => "replace",
            Self::After => "after",
            Self::Listen => "listen",
        }
    }
}

impl std::fmt::Display for HookKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How a run goes on after a [`Before`] hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// On to the next hook.
    Continue,
    /// The context as it stands is the result: later before hooks, replace hooks and the base operation do
    /// not run.
    Answer,
}

/// A hook that runs ahead of the base operation.
pub trait Before<F: ContextFamily>: Send + Sync {
    /// Reads and changes the context in place.
    fn before(&self, context: &mut F::Context<'_>) -> Result<Flow, F::Error>;
}

/// A hook that runs on the result.
pub trait After<F: ContextFamily>: Send + Sync {
    /// Reads and changes the result in place.
    fn after(&self, result: &mut F::Context<'_>) -> Result<(), F::Error>;
}
