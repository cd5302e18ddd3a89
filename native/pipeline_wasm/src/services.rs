use serde_json::Value as Json;

use pipeline_core::plugin::PluginId;

/// What a host does for guests that were granted it.
pub trait Services: Send + Sync {
    /// Writes a line of a guest to the log, at once. The guest chose the text.
    fn log(&self, plugin: &PluginId, level: LogLevel, line: &str);

    /// Emits an event of a guest. It is told when the hook has succeeded.
    fn emit(&self, plugin: &PluginId, topic: &str, payload: Json);
}

/// How much a line of a log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For whoever looks for a fault.
    Debug = 0,
    /// For the record.
    Info = 1,
    /// Something to look at.
    Warning = 2,
    /// Something that went wrong.
    Error = 3,
}

impl LogLevel {
    pub(crate) fn of_number(number: u32) -> Option<Self> {
        let all = [Self::Debug, Self::Info, Self::Warning, Self::Error];
        all.into_iter().find(|level| *level as u32 == number)
    }
}
