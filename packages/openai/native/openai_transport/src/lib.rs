//! HTTP with server-sent events for the `OpenAI` provider of Pipeline.Plugin.
//!
//! A request runs on the library's Tokio runtime and answers its caller by messages. It ends when the caller
//! dies, when the caller lets go of it, or when it is cancelled.

#![forbid(unsafe_code)]

mod client;
mod exchange;
mod failure;
mod json;
mod mailbox;
mod options;
mod request;

rustler::init!(
    "Elixir.Pipeline.OpenAI.Transport",
    load = pipeline_term::load
);
