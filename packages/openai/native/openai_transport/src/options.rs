use serde::Deserialize;
use std::time::Duration;

/// How a request is made. Times are in milliseconds.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// `GET` or `POST`.
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Whether the answer is read as a stream of events.
    pub(crate) stream: bool,
    /// The longest time for a connection to be made.
    pub(crate) connect_timeout: u64,
    /// The longest time from the request to the head of the answer, and from there to its first event.
    pub(crate) first_timeout: u64,
    /// The longest time between two events, or two pieces of a body.
    pub(crate) idle_timeout: u64,
    /// The longest time for all of it, with what is tried again.
    pub(crate) timeout: u64,
    /// How often a request is tried again of which nothing was delivered.
    pub(crate) retries: usize,
    /// The longest pause that a server may ask for before it is tried again.
    pub(crate) max_retry_after: u64,
    /// The most bytes of a body, or of one event.
    pub(crate) max_bytes: usize,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Method {
    Get,
    Post,
}

impl Options {
    pub(crate) fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_timeout)
    }

    pub(crate) fn first(&self) -> Duration {
        Duration::from_millis(self.first_timeout)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_timeout)
    }

    pub(crate) fn whole(&self) -> Duration {
        Duration::from_millis(self.timeout)
    }

    pub(crate) fn longest_pause(&self) -> Duration {
        Duration::from_millis(self.max_retry_after)
    }
}
