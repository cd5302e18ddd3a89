use serde::{Deserialize, Serialize};

/// Whether the failure of a hook ends the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Ends the run with an error that names the hook.
    #[default]
    Halt,
    /// The run goes on as if the hook were not there, and the failure is reported beside the result.
    Skip,
}
