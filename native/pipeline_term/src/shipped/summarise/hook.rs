use super::prose::paragraphs;
use super::sentence::{Sentence, Splitter};
use super::text_rank::most_central;
use crate::context::{Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Cost, Flow, NativeHook, Phase};
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

impl Summarise {
    fn summary(&self, text: &str) -> String {
        let sentences = self.splitter.split(&paragraphs(text));
        let words: Vec<&[u32]> = sentences.iter().map(Sentence::words).collect();
        let chosen = most_central(&words, self.config.sentences);
        chosen
            .into_iter()
            .map(|index| sentences[index].text())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl NativeHook for Summarise {
    const NAME: &'static str = "summarise";
    const DOC: &'static str =
        "Picks the sentences that say most about an English or Markdown text.";
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
        let summary = self.summary(context.text(&self.config.field)?);
        context.put(&self.config.into, &summary)?;
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Summarise);

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
    fn the_same_text_has_the_same_summary() {
        assert_eq!(summary(TEXT, 2), summary(TEXT, 2));
    }
}
