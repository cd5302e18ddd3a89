use pipeline_term::serde::Deserialize;
use pipeline_term::{
    ConfigError, Failure, Flow, NativeHook, Path, Phase, TermContext, register_hooks,
};

/// `reading_time`: puts the minutes that reading a text takes, rounded up.
struct ReadingTime(Config);

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct Config {
    field: Path,
    put: Path,
    #[serde(default = "words_per_minute")]
    words_per_minute: u32,
}

/// What adults read silently, about.
fn words_per_minute() -> u32 {
    240
}

impl NativeHook for ReadingTime {
    const NAME: &'static str = "reading_time";
    const DOC: &'static str = "Puts the minutes that reading a text takes.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        if config.words_per_minute == 0 {
            return Err(ConfigError::at(
                "words_per_minute",
                "nobody reads 0 words per minute",
            ));
        }
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let words = context.text(&self.0.field)?.split_whitespace().count() as u64;
        let minutes = words.div_ceil(u64::from(self.0.words_per_minute));
        context.put(&self.0.put, i64::try_from(minutes).unwrap_or(i64::MAX))?;
        Ok(Flow::Continue)
    }
}

register_hooks!(ReadingTime);
