use super::prose::paragraphs;
use super::sentence::{Sentence, Splitter};
use super::text_rank::most_central;
use crate::context::{Path, TermContext};
use crate::deep_stack::on_deep_stack;
use crate::failure::Failure;
use crate::hook::{ConfigError, Cost, Description, Field, Flow, NativeHook, Phase};
use serde::Deserialize;
use thiserror::Error;

struct Summarise {
    config: SummariseConfig,
    splitter: Splitter,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SummariseConfig {
    field: Path,
    into: Path,
    #[serde(default = "three")]
    sentences: usize,
}

fn three() -> usize {
    3
}

/// How many sentences a summary may have; what is longer is no summary.
const MAX_SENTENCES: usize = 100;

#[derive(Debug, Error)]
#[error("expected 1 to {MAX_SENTENCES} sentences, found {0}")]
struct SentenceCount(usize);

/// How long a text may be, and how many sentences it may have: comparing them takes some seconds.
const MAX_TEXT: usize = 1024 * 1024;
const MAX_READ: usize = 10_000;

#[derive(Debug, Error)]
enum TooLong {
    #[error("the text has {0} bytes; at most {MAX_TEXT} are summarised: split it")]
    Bytes(usize),
    #[error("the text has more than {MAX_READ} sentences; split it")]
    Sentences,
}

impl Summarise {
    fn summary(&self, text: &str) -> Result<String, TooLong> {
        if text.len() > MAX_TEXT {
            return Err(TooLong::Bytes(text.len()));
        }
        let sentences = self.splitter.split(&paragraphs(text), MAX_READ + 1);
        if sentences.len() > MAX_READ {
            return Err(TooLong::Sentences);
        }
        let words: Vec<&[u32]> = sentences.iter().map(Sentence::words).collect();
        let chosen = most_central(&words, self.config.sentences);
        let texts: Vec<_> = chosen
            .into_iter()
            .map(|index| sentences[index].text())
            .collect();
        Ok(texts.join(" "))
    }
}

impl NativeHook for Summarise {
    const NAME: &'static str = "summarise";
    const DOC: &'static str =
        "Picks the sentences that say most about an English or Markdown text.";
    const DESCRIPTION: Description = Description {
        purpose: "Picks the sentences that say most about an English or Markdown text, by TextRank. Headings, code, tables and HTML are left
out. A text has up to 1 MiB and 10,000 sentences.",
        fields: &[
            Field::required(
                "field",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "The text.",
            ),
            Field::required(
                "into",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "Gets the summary.",
            ),
            Field::optional(
                "sentences",
                "integer, 1 to 100",
                "3",
                "How many sentences are picked.",
            ),
        ],
        returns: "The context with the summary in `into`: sentences of the text, in its order.",
        refuses: &[
            "Fails if the field is not there, holds anything but valid UTF-8, or is too long.",
        ],
        example: r#"iex> text = "Rivers carry water to the sea. A cat sat on a wall. The sea receives the sand that rivers carry."
iex> summarise = {:native, :summarise, %{field: :text, into: :summary, sentences: 2}}
iex> {:ok, context} = Pipeline.Hook.Manager.run_hook(summarise, %{text: text})
iex> context.summary
"Rivers carry water to the sea. The sea receives the sand that rivers carry.""#,
    };
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After, Phase::Replace];
    const COST: Cost = Cost::Heavy;
    type Config = SummariseConfig;

    fn configure(config: SummariseConfig) -> Result<Self, ConfigError> {
        if !(1..=MAX_SENTENCES).contains(&config.sentences) {
            return Err(ConfigError::at(
                "sentences",
                SentenceCount(config.sentences),
            ));
        }
        Ok(Self {
            config,
            splitter: Splitter::english(),
        })
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let text = context.text(&self.config.field)?;
        // The parser of Markdown recurses over what is nested.
        let summary = on_deep_stack(|| self.summary(text)).map_err(Failure::of)?;
        context.put(&self.config.into, &summary)?;
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Summarise);

/// A summary, if the text is not too long.
#[cfg(feature = "fuzz")]
pub(in crate::shipped) fn summarised(text: &str) -> Option<String> {
    let path = Path::of_key(crate::context::Key::Text("text".into()));
    let config = SummariseConfig {
        field: path.clone(),
        into: path,
        sentences: three(),
    };
    Summarise::configure(config).ok()?.summary(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{NativeHook, Path, Summarise, SummariseConfig};
    use crate::context::Key;

    fn summary(text: &str, sentences: usize) -> String {
        let path = Path::of_key(Key::Text("text".into()));
        Summarise::configure(SummariseConfig {
            field: path.clone(),
            into: path,
            sentences,
        })
        .unwrap()
        .summary(text)
        .unwrap()
    }

    const TEXT: &str = "# Rivers\n\nRivers carry water from the mountains to the sea. A cat sat on a wall. Rivers shape \
        the land by carrying stones and sand. The sea receives the sand that rivers carry.\n\n```\nlet rivers = 1;\n```\n";

    #[test]
    fn the_sentence_apart_from_the_others_is_left_out() {
        let summary = summary(TEXT, 3);
        assert_eq!(
            summary,
            "Rivers carry water from the mountains to the sea. Rivers shape the land by carrying stones and sand. The \
             sea receives the sand that rivers carry."
        );
    }

    #[test]
    fn a_short_text_is_its_own_summary() {
        assert_eq!(summary("One thing only.", 3), "One thing only.");
        assert_eq!(summary("", 3), "");
    }

    #[test]
    fn a_text_that_would_take_too_long_is_refused() {
        let path = Path::of_key(Key::Text("text".into()));
        let hook = Summarise::configure(SummariseConfig {
            field: path.clone(),
            into: path,
            sentences: 100,
        })
        .unwrap();
        let error = |text: &str| hook.summary(text).unwrap_err().to_string();
        assert!(error(&"x".repeat(1_048_577)).starts_with("the text has 1048577 bytes"));
        assert_eq!(
            error(&"It rains. ".repeat(10_001)),
            "the text has more than 10000 sentences; split it"
        );
        assert!(
            hook.summary(&"The rain falls on the sea. ".repeat(10_000))
                .is_ok()
        );
    }

    #[test]
    fn the_same_text_has_the_same_summary() {
        assert_eq!(summary(TEXT, 2), summary(TEXT, 2));
    }
}
