use crate::context::Path;
use crate::hook::ConfigError;
use thiserror::Error;

/// Neither `field` nor `fields` was given.
#[derive(Debug, Error)]
#[error("give field: a key or a path, or fields: a list of them")]
struct NoFields;

/// The fields a hook works on: `field` for one, `fields` for many, both together for all of them.
pub(super) fn fields(field: Option<Path>, fields: Vec<Path>) -> Result<Vec<Path>, ConfigError> {
    let all: Vec<Path> = field.into_iter().chain(fields).collect();
    if all.is_empty() {
        Err(ConfigError::at("field", NoFields))
    } else {
        Ok(all)
    }
}
