use crate::context::ContextError;
use crate::reason::Reason;
use pipeline_core::hook::panic_message;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use thiserror::Error;

/// How a native hook ends other than well.
#[derive(Debug, Error)]
pub enum Failure {
    /// It refused, with a reason for the caller: what an Elixir hook does by `throw {:hook_error, reason}`.
    #[error("refused: {0:?}")]
    Refused(Reason),
    /// The context is not what the hook works on.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// Something the hook relies on failed.
    #[error("{0}")]
    Hook(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It panicked.
    #[error("panicked: {0}")]
    Panicked(String),
}

impl Failure {
    /// A failure of something the hook relies on.
    pub fn of(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Hook(error.into())
    }

    /// Its message. Formatting it can panic, for the error may be a foreign type; then the panic is the
    /// message.
    pub(crate) fn into_message(self) -> String {
        // Dropped within, which may be of somebody else's making too.
        catch_unwind(AssertUnwindSafe(move || self.to_string()))
            .unwrap_or_else(|payload| Self::from_panic(&*payload).to_string())
    }

    /// From what `catch_unwind` caught.
    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Self {
        Self::Panicked(panic_message(payload))
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn the_message_of_a_panic_is_kept() {
        let payload = std::panic::catch_unwind(|| panic!("odd input: {}", 7)).unwrap_err();
        assert_eq!(
            Failure::from_panic(&*payload).to_string(),
            "panicked: odd input: 7"
        );
    }
}
