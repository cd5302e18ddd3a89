//! The hooks that Pipeline.Plugin ships, one file each. Those with heavy dependencies are features of their
//! own.

mod cache;
#[cfg(feature = "count_tokens")]
mod count_tokens;
mod counts;
mod drop_fields;
mod fields;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod increment;
#[cfg(feature = "json_schema")]
mod json_schema;
mod put;
mod rate_limit;
mod redact;
mod rename;
mod require;
mod retry;
#[cfg(feature = "json_schema")]
mod schema_work;
#[cfg(feature = "summarise")]
mod summarise;
#[cfg(feature = "template")]
mod template;
#[cfg(feature = "count_tokens")]
mod vocabulary;
mod work_limit;
