use bytes::Bytes;
use std::error::Error;
use std::time::Duration;
use thiserror::Error;

/// Why a request has no answer.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The server answered with a status that is no success.
    #[error("the server answered with status {status}")]
    Status {
        status: u16,
        body: Bytes,
        retry_after: Option<Duration>,
    },
    #[error("{0}")]
    Network(String),
    #[error("{0} took longer than {1} ms")]
    Timeout(&'static str, u64),
    #[error("the server sent more than {0} bytes in one {1}")]
    TooLarge(usize, &'static str),
    #[error("the server sent a stream that is none of events: {0}")]
    Invalid(String),
    /// The request cannot be made at all.
    #[error("{0}")]
    Request(String),
}

impl Failure {
    /// Of an error of the client. Its address is left out: it may hold what is secret.
    pub(crate) fn of(error: reqwest::Error, connect_timeout: u64) -> Self {
        let error = error.without_url();
        if error.is_connect() && error.is_timeout() {
            return Self::Timeout("the connection", connect_timeout);
        }
        if error.is_builder() {
            return Self::Request(chain(&error));
        }
        Self::Network(chain(&error))
    }

    /// Whether the same request may pass later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            Self::Network(_) | Self::Timeout("the connection", _) => true,
            _ => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// The message of an error with those of its causes, each once.
fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = cause.source();
    }
    message
}
