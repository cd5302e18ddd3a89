use super::vocabulary::Vocabulary;
use crate::context::{Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Cost, Description, Field, Flow, NativeHook, Phase};
use serde::Deserialize;
use thiserror::Error;
use tiktoken_rs::CoreBPE;

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
    encoding: Vocabulary,
}

/// How long a text may be: some seconds' work.
const MAX_TEXT: usize = 4 * 1024 * 1024;

#[derive(Debug, Error)]
#[error("the text has {0} bytes; the tokens of at most {MAX_TEXT} are counted: split it")]
struct TooLong(usize);

impl NativeHook for CountTokens {
    const NAME: &'static str = "count_tokens";
    const DOC: &'static str = "Counts the tokens of a text, special tokens taken as plain text.";
    const DESCRIPTION: Description = Description {
        purpose: "Counts the tokens that a language model makes of a text, special tokens taken as plain text. Text of up to 4 MiB.",
        fields: &[
            Field::required(
                "field",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "The text.",
            ),
            Field::required(
                "into",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "Gets the number.",
            ),
            Field::optional(
                "encoding",
                "`:cl100k_base` or `:o200k_base`",
                ":cl100k_base",
                "The vocabulary.",
            ),
        ],
        returns: "The context with the number in `into`.",
        refuses: &[
            "Fails if the field is not there, holds anything but valid UTF-8, or has more than 4 MiB.",
        ],
        example: r#"iex> count = {:native, :count_tokens, %{field: :prompt, into: :tokens}}
iex> Pipeline.Hook.Manager.run_hook(count, %{prompt: "tiktoken is great!"})
{:ok, %{prompt: "tiktoken is great!", tokens: 6}}"#,
    };
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    const COST: Cost = Cost::Heavy;
    type Config = CountTokensConfig;

    fn configure(config: CountTokensConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            field: config.field,
            into: config.into,
            // Loaded now and not during the first run.
            encoder: config.encoding.encoder(),
        })
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let text = context.text(&self.field)?;
        if text.len() > MAX_TEXT {
            return Err(Failure::of(TooLong(text.len())));
        }
        let count = self.encoder.count_ordinary(text);
        context.put(&self.into, i64::try_from(count).unwrap_or(i64::MAX))?;
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(CountTokens);

/// The tokens of a text.
#[cfg(feature = "fuzz")]
pub(super) fn counted(text: &str) -> usize {
    Vocabulary::Cl100kBase.encoder().count_ordinary(text)
}

#[cfg(test)]
mod tests {
    use super::Vocabulary;

    // The counts of the makers' own tokenizer for the two vocabularies.
    #[test]
    fn the_vocabularies_are_those_of_the_models() {
        let count = |vocabulary: Vocabulary, text| vocabulary.encoder().count_ordinary(text);
        assert_eq!(count(Vocabulary::Cl100kBase, "hello world"), 2);
        assert_eq!(count(Vocabulary::Cl100kBase, "tiktoken is great!"), 6);
        assert_eq!(count(Vocabulary::O200kBase, "hello world"), 2);
    }
}
