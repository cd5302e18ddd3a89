use pipeline_term::Data;
use thiserror::Error;

/// How a hook, or the base operation, of the core alone ends other than well.
#[derive(Clone, Debug, Error)]
pub(super) enum ProgramError {
    /// It failed.
    #[error("{0}")]
    Failed(String),
    /// It refused, for this reason.
    #[error("refused: {0:?}")]
    Refused(Data),
    /// The context is none that it works on.
    #[error("the context is {0}; marks and numbers are put into maps only")]
    NoMap(&'static str),
    /// The field is not what the step works on.
    #[error("a field is {0}, which the step does not work on")]
    WrongField(&'static str),
}
