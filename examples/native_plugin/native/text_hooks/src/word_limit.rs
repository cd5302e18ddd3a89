use pipeline_term::serde::Deserialize;
use pipeline_term::{
    ConfigError, Data, Failure, Flow, NativeHook, Path, Phase, Reason, TermContext, register_hooks,
};

/// `word_limit`: refuses a text of too many words, with `{:too_long, words, limit}`.
struct WordLimit(Config);

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct Config {
    field: Path,
    words: i64,
}

impl NativeHook for WordLimit {
    const NAME: &'static str = "word_limit";
    const DOC: &'static str = "Refuses a text of more words than the limit.";
    const PHASES: &'static [Phase] = &[Phase::Before];
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        if config.words < 1 {
            return Err(ConfigError::at(
                "words",
                "a limit below one word refuses everything",
            ));
        }
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let text = context.text(&self.0.field)?;
        let words = i64::try_from(text.split_whitespace().count()).unwrap_or(i64::MAX);
        if words > self.0.words {
            let reason = Reason::new("too_long").with(Data::Int(words));
            return Err(reason.with(Data::Int(self.0.words)).into());
        }
        Ok(Flow::Continue)
    }
}

register_hooks!(WordLimit);
