use pipeline_term::serde::Deserialize;
use pipeline_term::{
    ConfigError, Failure, Flow, NativeHook, Path, Phase, TermContext, register_hooks,
};

/// Copies a field, and so shows what a hook reads after others have written.
struct CopyField(CopyFieldConfig);

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct CopyFieldConfig {
    from: Path,
    to: Path,
}

impl NativeHook for CopyField {
    const NAME: &'static str = "copy_field";
    const DOC: &'static str = "Copies a field.";
    const PHASES: &'static [Phase] = &[Phase::Before];
    type Config = CopyFieldConfig;

    fn configure(config: CopyFieldConfig) -> Result<Self, ConfigError> {
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        if let Some(term) = context.get(&self.0.from)? {
            context.put(&self.0.to, term)?;
        }
        Ok(Flow::Continue)
    }
}

register_hooks!(CopyField);
