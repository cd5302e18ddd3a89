use pipeline_core::hook::{HookKind, OnError};
use pipeline_core::plugin::PluginId;
use pipeline_term::Data;
use pipeline_term::serde::Deserialize;

use super::instruction::Instruction;

/// A conformance case, as `Pipeline.Conformance.CoreAlone` hands it over.
#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
pub(super) struct Case {
    pub(super) mode: Mode,
    /// In the order of registration.
    pub(super) hooks: Vec<HookCase>,
    pub(super) dependencies: Vec<(String, Vec<String>)>,
    pub(super) context: Data,
    /// The steps of the base operation.
    pub(super) core: Option<Vec<Instruction>>,
    /// The field that marks are put into.
    pub(super) trail: Data,
}

/// The mode of a point.
#[derive(Clone, Copy, Deserialize)]
#[serde(crate = "pipeline_term::serde", rename_all = "snake_case")]
pub(super) enum Mode {
    Chain,
    First,
    Collect,
    Notify,
}

/// A hook of a case.
#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
pub(super) struct HookCase {
    /// An atom.
    pub(super) plugin: Data,
    pub(super) kind: HookKind,
    pub(super) priority: i64,
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
    pub(super) on_error: OnError,
    pub(super) steps: Vec<Instruction>,
}

impl HookCase {
    /// Its plugin, as the core names it.
    pub(super) fn id(&self) -> PluginId {
        PluginId::symbol(self.plugin.name().unwrap_or_default())
    }
}
