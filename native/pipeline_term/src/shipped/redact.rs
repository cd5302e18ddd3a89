use super::fields::fields;
use crate::context::{ContextError, Kind, Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Flow, NativeHook, Phase};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use rustler::Binary;
use serde::Deserialize;
use thiserror::Error;

/// `redact`: replaces what matches any of its patterns, all of them searched for in one pass.
///
/// The engine of the `regex` crate takes time linear in the text, whatever the pattern. It works on bytes, so that a
/// binary need not be UTF-8.
struct Redact {
    fields: Vec<Path>,
    patterns: Regex,
    replacement: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedactConfig {
    field: Option<Path>,
    #[serde(default)]
    fields: Vec<Path>,
    patterns: Vec<String>,
    #[serde(default = "redacted")]
    replacement: String,
}

fn redacted() -> String {
    "[REDACTED]".to_owned()
}

#[derive(Debug, Error)]
enum PatternError {
    #[error("give at least one pattern")]
    None,
    #[error("{message}")]
    Syntax {
        message: String,
        source: Box<regex_automata::meta::BuildError>,
    },
    #[error(
        "{0:?} matches the empty text, and so would put the replacement between all letters; make it match some"
    )]
    MatchesNothing(String),
}

impl Redact {
    fn compile(patterns: &[String]) -> Result<Regex, ConfigError> {
        if patterns.is_empty() {
            return Err(ConfigError::at("patterns", PatternError::None));
        }
        // One by one first, so that a mistake is reported with its place.
        for (index, pattern) in patterns.iter().enumerate() {
            let one = build(std::slice::from_ref(pattern))
                .map_err(|error| ConfigError::at_index("patterns", index, error))?;
            if one.is_match("") {
                return Err(ConfigError::at_index(
                    "patterns",
                    index,
                    PatternError::MatchesNothing(pattern.clone()),
                ));
            }
        }
        build(patterns).map_err(|error| ConfigError::at("patterns", error))
    }

    /// The text with all matches replaced; `None` if there are none.
    fn redacted(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut matches = self.patterns.find_iter(text).peekable();
        matches.peek()?;
        let mut redacted = Vec::with_capacity(text.len());
        let mut done = 0;
        for found in matches {
            redacted.extend_from_slice(&text[done..found.start()]);
            redacted.extend_from_slice(self.replacement.as_bytes());
            done = found.end();
        }
        redacted.extend_from_slice(&text[done..]);
        Some(redacted)
    }
}

fn build(patterns: &[String]) -> Result<Regex, PatternError> {
    Regex::builder()
        .syntax(syntax::Config::new().utf8(false))
        .configure(Regex::config().utf8_empty(false))
        .build_many(patterns)
        .map_err(|error| {
            // The engine's own message names the place of the pattern only; the parser's says what is wrong with it.
            let message = error
                .syntax_error()
                .map_or_else(|| error.to_string(), ToString::to_string);
            PatternError::Syntax {
                message,
                source: Box::new(error),
            }
        })
}

impl NativeHook for Redact {
    const NAME: &'static str = "redact";
    const DOC: &'static str = "Replaces what matches any of its patterns.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    type Config = RedactConfig;

    fn configure(config: RedactConfig) -> Result<Self, ConfigError> {
        let patterns = Self::compile(&config.patterns)?;
        Ok(Self {
            fields: fields(config.field, config.fields)?,
            patterns,
            replacement: config.replacement,
        })
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        for field in &self.fields {
            let Some(term) = context.get(field)? else {
                continue;
            };
            let text = Binary::from_term(term).map_err(|_| ContextError::WrongType {
                at: field.clone(),
                expected: "a string",
                found: Kind::of(term),
            })?;
            if let Some(redacted) = self.redacted(text.as_slice()) {
                context.put(field, redacted.as_slice())?;
            }
        }
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Redact);

#[cfg(test)]
mod tests {
    use super::Redact;

    fn redact(patterns: &[&str], text: &[u8]) -> Option<Vec<u8>> {
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect();
        let patterns = Redact::compile(&patterns).unwrap();
        Redact {
            fields: vec![],
            patterns,
            replacement: "#".into(),
        }
        .redacted(text)
    }

    fn mistake(patterns: &[&str]) -> String {
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect();
        Redact::compile(&patterns).unwrap_err().to_string()
    }

    #[test]
    fn all_patterns_are_replaced_in_one_pass() {
        let found = redact(
            &["[0-9]{3}-[0-9]{2}-[0-9]{4}", r"\S+@\S+"],
            b"ssn 123-45-6789 of ada@example.org!",
        );
        assert_eq!(found.as_deref(), Some(&b"ssn # of #"[..]));
    }

    #[test]
    fn a_text_without_matches_is_left_alone() {
        assert_eq!(redact(&["secret"], b"nothing here"), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        assert_eq!(
            redact(&["secret"], b"\xff secret \xfe").as_deref(),
            Some(&b"\xff # \xfe"[..])
        );
    }

    #[test]
    fn groups_of_the_same_name_do_not_clash() {
        assert_eq!(
            redact(&["(?<n>a)b", "(?<n>c)d"], b"ab cd").as_deref(),
            Some(&b"# #"[..])
        );
    }

    #[test]
    fn a_pattern_that_does_not_compile_is_named() {
        let error = mistake(&["fine", "(unclosed"]);
        assert!(
            error.starts_with("patterns[1]: regex parse error"),
            "{error}"
        );
        assert!(error.contains("unclosed group"), "{error}");
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_refused() {
        assert!(mistake(&["a*"]).starts_with("patterns[0]: \"a*\" matches the empty text"));
    }
}
