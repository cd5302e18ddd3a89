use crate::context::{Path, TermContext};
use crate::data::Data;
use crate::failure::Failure;
use crate::hook::{ConfigError, Flow, NativeHook, Phase};
use serde::Deserialize;

/// `put`: sets a field to a fixed value.
struct Put(PutConfig);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutConfig {
    field: Path,
    /// Any plain data.
    value: Data,
    /// Whether a value that is there already is replaced.
    #[serde(default = "yes")]
    overwrite: bool,
}

fn yes() -> bool {
    true
}

impl NativeHook for Put {
    const NAME: &'static str = "put";
    const DOC: &'static str = "Sets a field to a fixed value.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After, Phase::Replace];
    type Config = PutConfig;

    fn configure(config: PutConfig) -> Result<Self, ConfigError> {
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let Self(PutConfig {
            field,
            value,
            overwrite,
        }) = self;
        if *overwrite || context.get(field)?.is_none() {
            context.put(field, value)?;
        }
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Put);
