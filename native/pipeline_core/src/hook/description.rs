use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HookKind, OnError};
use crate::breaker::Settings;
use crate::plugin::{Name, PluginId};

/// The hooks of a point as data, in the order in which they run.
///
/// ```
/// use pipeline_core::hook::{Attachment, Chain, ContextFamily, Flow, Hook};
///
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// let pass = Hook::<Texts>::before(|_: &mut String| Ok(Flow::Continue));
/// let chain = Chain::new("run", vec![Attachment::new("a", 1, pass).priority(90)], |_| &[])?;
/// assert_eq!(
///     serde_json::to_value(chain.describe())?,
///     serde_json::json!({
///         "point": "run",
///         "hooks": [{"kind": "before", "plugin": "a", "priority": 90, "on_error": "halt"}]
///     })
/// );
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainDescription {
    /// The point.
    pub point: Name,
    /// Its hooks: around, before, replace, after, each kind in its order; or listeners.
    pub hooks: Vec<HookDescription>,
}

/// One hook of a [`ChainDescription`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookDescription {
    /// Its kind.
    pub kind: HookKind,
    /// The plugin that has the hook.
    pub plugin: PluginId,
    /// Its priority.
    pub priority: i64,
    /// Whether its failure ends the run.
    pub on_error: OnError,
    /// How long it may take, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// When its circuit opens, and how that closes, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<Settings>,
}
