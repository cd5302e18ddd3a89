use pipeline_term::serde::Deserialize;
use pipeline_term::{
    ConfigError, Failure, Flow, NativeHook, Path, Phase, TermContext, register_hooks,
};

/// `squeeze`: white space between words becomes one space.
struct Squeeze(Config);

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct Config {
    field: Path,
}

impl NativeHook for Squeeze {
    const NAME: &'static str = "squeeze";
    const DOC: &'static str = "Leaves one space between the words of a text.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let text = context.text(&self.0.field)?;
        let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if squeezed != text {
            context.put(&self.0.field, &squeezed)?;
        }
        Ok(Flow::Continue)
    }
}

register_hooks!(Squeeze);
