//! The hooks that Pipeline.Plugin ships, one file each.

mod cache;
mod count_tokens;
mod counts;
mod drop_fields;
mod fields;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod increment;
mod json_schema;
mod put;
mod rate_limit;
mod redact;
mod rename;
mod require;
mod retry;
mod schema_work;
mod summarise;
mod template;
mod work_limit;
