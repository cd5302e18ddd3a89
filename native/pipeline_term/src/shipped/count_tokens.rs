use crate::context::{Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Cost, Flow, NativeHook, Phase};
use serde::Deserialize;
use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

/// `count_tokens`: how many tokens a language model makes of a text.
struct CountTokens {
    field: Path,
    into: Path,
    encoder: &'static CoreBPE,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountTokensConfig {
    field: Path,
    into: Path,
    #[serde(default)]
    encoding: Encoding,
}

/// The vocabularies, by the names that their makers gave them.
#[derive(Clone, Copy, Default, Deserialize)]
enum Encoding {
    #[default]
    #[serde(rename = "cl100k_base")]
    Cl100kBase,
    #[serde(rename = "o200k_base")]
    O200kBase,
}

impl NativeHook for CountTokens {
    const NAME: &'static str = "count_tokens";
    const DOC: &'static str = "Counts the tokens of a text, special tokens taken as plain text.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    const COST: Cost = Cost::Heavy;
    type Config = CountTokensConfig;

    fn configure(config: CountTokensConfig) -> Result<Self, ConfigError> {
        // Loads the vocabulary now, which takes a tenth of a second, and not during the first run.
        let encoder = match config.encoding {
            Encoding::Cl100kBase => cl100k_base_singleton(),
            Encoding::O200kBase => o200k_base_singleton(),
        };
        Ok(Self {
            field: config.field,
            into: config.into,
            encoder,
        })
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let text = context.text(&self.field)?;
        let count = self.encoder.count_ordinary(text);
        context.put(&self.into, i64::try_from(count).unwrap_or(i64::MAX))?;
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(CountTokens);

#[cfg(test)]
mod tests {
    use super::{cl100k_base_singleton, o200k_base_singleton};

    // The counts of the makers' own tokenizer for the two vocabularies.
    #[test]
    fn the_vocabularies_are_those_of_the_models() {
        assert_eq!(cl100k_base_singleton().count_ordinary("hello world"), 2);
        assert_eq!(
            cl100k_base_singleton().count_ordinary("tiktoken is great!"),
            6
        );
        assert_eq!(o200k_base_singleton().count_ordinary("hello world"), 2);
    }
}
