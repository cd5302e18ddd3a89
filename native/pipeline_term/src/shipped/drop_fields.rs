use super::fields::fields;
use crate::context::{Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Flow, NativeHook, Phase};
use serde::Deserialize;

/// `drop`: removes fields.
struct Drop {
    fields: Vec<Path>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropConfig {
    field: Option<Path>,
    #[serde(default)]
    fields: Vec<Path>,
}

impl NativeHook for Drop {
    const NAME: &'static str = "drop";
    const DOC: &'static str = "Removes fields; those that are not there are passed over.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    type Config = DropConfig;

    fn configure(config: DropConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            fields: fields(config.field, config.fields)?,
        })
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        for field in &self.fields {
            context.remove(field)?;
        }
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Drop);
