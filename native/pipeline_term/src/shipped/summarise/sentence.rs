use rust_stemmers::{Algorithm, Stemmer};
use std::collections::{HashMap, HashSet};
use unicode_segmentation::UnicodeSegmentation;

/// A sentence and the words by which it is compared with others.
pub(super) struct Sentence {
    text: String,
    words: Vec<u32>,
}

impl Sentence {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Its distinct words, as numbers, in ascending order.
    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }
}

/// Splits paragraphs into sentences, and sentences into words.
///
/// Boundaries are those of Unicode Standard Annex 29. Words are compared by their stems (Porter 2), stop
/// words left out.
pub(super) struct Splitter {
    stop_words: HashSet<&'static str>,
    stemmer: Stemmer,
}

impl Splitter {
    pub(super) fn english() -> Self {
        let stop_words = stop_words::lookup("en")
            .unwrap_or_default()
            .iter()
            .copied()
            .collect();
        Self {
            stop_words,
            stemmer: Stemmer::create(Algorithm::English),
        }
    }

    /// The first `most` sentences of `paragraphs`, in their order.
    pub(super) fn split(&self, paragraphs: &[String], most: usize) -> Vec<Sentence> {
        let mut numbers = HashMap::new();
        paragraphs
            .iter()
            .flat_map(|paragraph| paragraph.unicode_sentences())
            .take(most)
            .map(|text| Sentence {
                text: text.trim().to_owned(),
                words: self.words(text, &mut numbers),
            })
            .collect()
    }

    fn words(&self, sentence: &str, numbers: &mut HashMap<String, u32>) -> Vec<u32> {
        let mut words: Vec<u32> = sentence
            .unicode_words()
            .map(str::to_lowercase)
            .filter(|word| !self.stop_words.contains(word.as_str()))
            .map(|word| {
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                *numbers
                    .entry(self.stemmer.stem(&word).into_owned())
                    .or_insert(next)
            })
            .collect();
        words.sort_unstable();
        words.dedup();
        words
    }
}

#[cfg(test)]
mod tests {
    use super::Splitter;

    #[test]
    fn words_are_compared_by_their_stems_and_stop_words_do_not_count() {
        let sentences = Splitter::english().split(
            &["The rivers were carrying. A river carries!".to_owned()],
            9,
        );
        let texts: Vec<&str> = sentences.iter().map(super::Sentence::text).collect();
        assert_eq!(texts, ["The rivers were carrying.", "A river carries!"]);
        assert_eq!(sentences[0].words().len(), 2);
        assert_eq!(sentences[0].words(), sentences[1].words());
    }

    #[test]
    fn an_abbreviation_before_a_small_letter_ends_no_sentence() {
        assert_eq!(
            Splitter::english()
                .split(&["Tools, e.g. hammers, help.".to_owned()], 9)
                .len(),
            1
        );
    }
}
