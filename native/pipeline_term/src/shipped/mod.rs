//! The hooks that Pipeline.Plugin ships, one file each.

mod cache;
mod count_tokens;
mod drop_fields;
mod fields;
mod increment;
mod json_schema;
mod put;
mod rate_limit;
mod redact;
mod rename;
mod require;
mod retry;
mod summarise;
mod template;
