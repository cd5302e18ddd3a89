use super::fields::fields;
use super::work_limit::WorkLimit;
use crate::context::{Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Description, Field, Flow, NativeHook, Phase};
use regex_automata::meta::{BuildError, Regex};
use regex_automata::util::syntax;
use serde::Deserialize;
use std::time::Duration;
use thiserror::Error;

/// `redact`: replaces what matches any of its patterns, all of them searched for in one pass.
///
/// One search takes time in proportion to the text times the patterns, whatever they are. All of them
/// together may take the square of the text: `.*x|a` looks through the rest of the text for each `a`. So a
/// text of more than some kilobytes is searched on a dirty scheduler, and does not compute for longer than
/// [`TIME`]. It works on bytes, so that a binary need not be UTF-8.
struct Redact {
    fields: Vec<Path>,
    patterns: Regex,
    replacement: String,
    /// How many bytes one search may be over.
    longest: usize,
    /// How many bytes are searched on a normal scheduler.
    short: usize,
}

/// How many patterns there may be, and how many bytes of them.
const MAX_PATTERNS: usize = 500;
const MAX_PATTERN_BYTES: usize = 32 * 1024;
/// Bytes that the automaton of all patterns may take.
const MAX_AUTOMATON: usize = 2 * 1024 * 1024;
/// How long a replacement may be, in bytes.
const MAX_REPLACEMENT: usize = 1024;
/// How much longer than its text a redacted one may be.
const MAX_GROWTH: usize = 16 * 1024 * 1024;
/// How long the searches of one run may take. Looked at between them.
const TIME: Duration = Duration::from_secs(2);
/// Bytes of text times bytes of automaton that one search may take: a few seconds, if each state is looked at
/// for each byte, which is rare.
const MAX_SEARCH: usize = 1 << 38;
/// No text is searched that is longer, in bytes.
const LONGEST: usize = 64 * 1024 * 1024;
/// The same on a normal scheduler.
const SHORT: usize = 4 * 1024;
const MAX_SHORT_SEARCH: usize = 1 << 31;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedactConfig {
    field: Option<Path>,
    #[serde(default)]
    fields: Vec<Path>,
    patterns: Vec<String>,
    #[serde(default = "redacted_default")]
    replacement: String,
}

fn redacted_default() -> String {
    "[REDACTED]".to_owned()
}

#[derive(Debug, Error)]
enum PatternError {
    #[error("give at least one pattern")]
    None,
    #[error("expected at most {MAX_PATTERNS} patterns, found {0}")]
    TooMany(usize),
    #[error("expected at most {MAX_PATTERN_BYTES} bytes of patterns, found {0}")]
    TooLong(usize),
    #[error(
        "the compiled patterns take more than {MAX_AUTOMATON} bytes; repeat less, or write [a-z] for \\w and [0-9] for \\d"
    )]
    TooLarge(#[source] Box<BuildError>),
    #[error("{message}")]
    Syntax {
        message: String,
        source: Box<BuildError>,
    },
    #[error(
        "{0:?} matches the empty text, and so would put the replacement between all letters; make it match some"
    )]
    MatchesNothing(String),
    #[error("expected at most {MAX_REPLACEMENT} bytes, found {0}")]
    Replacement(usize),
}

#[derive(Debug, Error)]
enum RunError {
    #[error(
        "{at} has {found} bytes; these patterns are searched for in at most {most}: split it, or use simpler ones"
    )]
    Length { at: Path, found: usize, most: usize },
    #[error("searching {at} took longer than {} s; use patterns without .* or a shorter text", TIME.as_secs())]
    Time { at: Path },
    #[error(
        "redacting {at} makes it more than {MAX_GROWTH} bytes longer; use a shorter replacement"
    )]
    Growth { at: Path },
}

impl Redact {
    fn compile(patterns: &[String]) -> Result<Regex, ConfigError> {
        let bytes = patterns.iter().map(String::len).sum();
        let problem = match patterns.len() {
            0 => Some(PatternError::None),
            many if many > MAX_PATTERNS => Some(PatternError::TooMany(many)),
            _ if bytes > MAX_PATTERN_BYTES => Some(PatternError::TooLong(bytes)),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(ConfigError::at("patterns", problem));
        }
        let built = build(patterns)?;
        for (index, pattern) in patterns.iter().enumerate() {
            let parsed = syntax::parse_with(pattern, &syntax_config());
            // One that does not parse does not build.
            if parsed.is_ok_and(|hir| hir.properties().minimum_len() == Some(0)) {
                let problem = PatternError::MatchesNothing(pattern.clone());
                return Err(ConfigError::at_index("patterns", index, problem));
            }
        }
        Ok(built)
    }

    fn new(
        fields: Vec<Path>,
        patterns: &[String],
        replacement: String,
    ) -> Result<Self, ConfigError> {
        if replacement.len() > MAX_REPLACEMENT {
            let problem = PatternError::Replacement(replacement.len());
            return Err(ConfigError::at("replacement", problem));
        }
        let patterns = Self::compile(patterns)?;
        let automaton = patterns.memory_usage().max(1);
        Ok(Self {
            fields,
            replacement,
            longest: (MAX_SEARCH / automaton).min(LONGEST),
            short: (MAX_SHORT_SEARCH / automaton).min(SHORT),
            patterns,
        })
    }

    /// The text with all matches replaced; `None` if there are none.
    fn redacted(&self, at: &Path, text: &[u8]) -> Result<Option<Vec<u8>>, RunError> {
        if text.len() > self.longest {
            return Err(RunError::Length {
                at: at.clone(),
                found: text.len(),
                most: self.longest,
            });
        }
        let most = text.len() + MAX_GROWTH;
        let mut redacted = Vec::new();
        let mut done = 0;
        let mut limit = None;
        for (number, found) in self.patterns.find_iter(text).enumerate() {
            if number == 0 {
                redacted.reserve(text.len());
            } else if number % 16 == 0
                && limit
                    .get_or_insert_with(|| WorkLimit::new(TIME))
                    .is_used_up()
            {
                return Err(RunError::Time { at: at.clone() });
            }
            redacted.extend_from_slice(&text[done..found.start()]);
            redacted.extend_from_slice(self.replacement.as_bytes());
            done = found.end();
            if redacted.len() > most {
                return Err(RunError::Growth { at: at.clone() });
            }
        }
        if done == 0 {
            return Ok(None);
        }
        redacted.extend_from_slice(&text[done..]);
        Ok(Some(redacted))
    }
}

fn syntax_config() -> syntax::Config {
    syntax::Config::new().utf8(false)
}

fn build(patterns: &[String]) -> Result<Regex, ConfigError> {
    let config = Regex::config()
        .utf8_empty(false)
        .nfa_size_limit(Some(MAX_AUTOMATON));
    Regex::builder()
        .syntax(syntax_config())
        .configure(config)
        .build_many(patterns)
        .map_err(|error| {
            // The engine's own message names the place of the pattern only; the parser's says what is wrong
            // with it.
            let Some(syntax) = error.syntax_error() else {
                return ConfigError::at("patterns", PatternError::TooLarge(Box::new(error)));
            };
            let message = syntax.to_string();
            let index = error.pattern().map_or(0, |pattern| pattern.as_usize());
            let source = Box::new(error);
            ConfigError::at_index("patterns", index, PatternError::Syntax { message, source })
        })
}

impl NativeHook for Redact {
    const NAME: &'static str = "redact";
    const DOC: &'static str = "Replaces what matches any of its patterns.";
    const DESCRIPTION: Description = Description {
        purpose: r"Replaces what matches any of its patterns, all of them searched for in one pass. Patterns are those of Rust's `regex`
crate: no look-around and no back-references. The text may be any binary.

One search takes time in proportion to the text, but many matches can take the square of it: `.*x|a` looks through the
rest of the text for each `a`. A text of more than 4 KiB is therefore searched on a dirty scheduler, and a field whose
search computes for more than 2 seconds fails the run. Large patterns, such as `\w{1,100}`, lower both limits: that of 4 KiB, and
that of the longest text, which is 64 MiB for small ones.",
        fields: &[
            Field::optional(
                "field",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "none",
                "The field that is redacted. Give `field`, `fields` or both.",
            ),
            Field::optional(
                "fields",
                "a list of keys or paths",
                "[]",
                "More such fields.",
            ),
            Field::required(
                "patterns",
                "a list of 1 to 500 regular expressions, 32 KiB together",
                "What is replaced. Compiled, they take at most 2 MiB; none may match the empty text.",
            ),
            Field::optional(
                "replacement",
                "string of at most 1 KiB",
                r#""[REDACTED]""#,
                "What stands in place of each match.",
            ),
        ],
        returns: "The context with the fields redacted; fields that are not there are passed over.",
        refuses: &[
            "Fails if a field holds anything but a binary, has more bytes than its patterns are searched for in, computes for more than 2 seconds, or becomes more than 16 MiB longer. The text is never handed on as it was.",
        ],
        example: r#"iex> config = %{field: :prompt, patterns: ["[0-9]{3}-[0-9]{2}-[0-9]{4}", "[^ @]+@[^ @]+"], replacement: "***"}
iex> Pipeline.Hook.Manager.run_hook({:native, :redact, config}, %{prompt: "Ada, 123-45-6789, ada@example.org"})
{:ok, %{prompt: "Ada, ***, ***"}}"#,
    };
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    type Config = RedactConfig;

    fn configure(config: RedactConfig) -> Result<Self, ConfigError> {
        let fields = fields(config.field, config.fields)?;
        Self::new(fields, &config.patterns, config.replacement)
    }

    fn scales(&self) -> bool {
        true
    }

    fn is_long(&self, context: &TermContext<'_>) -> bool {
        context.bytes_in(&self.fields, self.short) > self.short
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        for field in &self.fields {
            let Some(text) = context.get_bytes(field)? else {
                continue;
            };
            if let Some(redacted) = self.redacted(field, text).map_err(Failure::of)? {
                context.put(field, redacted.as_slice())?;
            }
        }
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Redact);

/// A text redacted by one pattern, and why there is none.
#[cfg(feature = "fuzz")]
pub(super) fn redacted(pattern: &str, text: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let at = Path::of_key(crate::context::Key::Text("text".into()));
    Redact::new(vec![], &[pattern.to_owned()], redacted_default())
        .map_err(|error| error.to_string())?
        .redacted(&at, text)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Path, Redact, TIME};
    use crate::context::Key;
    use std::time::Instant;

    fn owned(patterns: &[&str]) -> Vec<String> {
        patterns
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect()
    }

    fn redact(patterns: &[&str], text: &[u8]) -> Option<Vec<u8>> {
        try_redact(patterns, "#", text).unwrap()
    }

    fn try_redact(
        patterns: &[&str],
        replacement: &str,
        text: &[u8],
    ) -> Result<Option<Vec<u8>>, String> {
        let at = Path::of_key(Key::Text("text".into()));
        Redact::new(vec![], &owned(patterns), replacement.to_owned())
            .unwrap()
            .redacted(&at, text)
            .map_err(|error| error.to_string())
    }

    fn mistake(patterns: &[&str]) -> String {
        Redact::compile(&owned(patterns)).unwrap_err().to_string()
    }

    #[test]
    fn patterns_that_take_the_square_of_the_text_are_given_up() {
        let text = vec![b'A'; 200_000];
        let started = Instant::now();
        let error = try_redact(&[".*[^A-Z]|[A-Z]"], "#", &text).unwrap_err();
        assert_eq!(
            error,
            "searching \"text\" took longer than 2 s; use patterns without .* or a shorter text"
        );
        assert!(started.elapsed() < 20 * TIME);
    }

    #[test]
    fn a_text_does_not_grow_without_bounds() {
        let error = try_redact(&["x"], &"R".repeat(1000), &vec![b'x'; 1_000_000]).unwrap_err();
        assert!(
            error.starts_with("redacting \"text\" makes it more than"),
            "{error}"
        );
    }

    #[test]
    fn too_many_and_too_large_patterns_are_refused() {
        let many: Vec<String> = (0..5000).map(|n| format!("\\w{{3,9}}{n}\\pL+")).collect();
        let mistake = |patterns: &[String]| Redact::compile(patterns).unwrap_err().to_string();
        assert_eq!(
            mistake(&many),
            "patterns: expected at most 500 patterns, found 5000"
        );
        assert!(mistake(&many[..500]).starts_with("patterns: the compiled patterns take more"));
        assert!(mistake(&["(a{1,1000}){1,1000}".to_owned()]).starts_with("patterns: the compiled"));
        assert!(
            mistake(&["x".repeat(40_000)]).starts_with("patterns: expected at most 32768 bytes")
        );
        let replacement = Redact::new(vec![], &owned(&["x"]), "R".repeat(1025))
            .err()
            .unwrap();
        assert_eq!(
            replacement.to_string(),
            "replacement: expected at most 1024 bytes, found 1025"
        );
    }

    // Patterns as people write them take a small part of what is allowed, so that long texts are.
    #[test]
    fn usual_patterns_are_searched_for_in_long_texts() {
        let usual = [
            r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
            r"[\w.+-]+@[\w-]+\.[\w.-]+",
            r"(?i)\b(?:api[_-]?key|token|secret)\s*[:=]\s*\S+",
            r"\b(?:\d[ -]*?){13,16}\b",
        ];
        let redact = Redact::new(vec![], &owned(&usual), "#".to_owned()).unwrap();
        assert!(redact.longest >= 256 * 1024, "{}", redact.longest);
        assert!(redact.short >= 2048, "{}", redact.short);
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
        assert!(mistake(&["fine", r"\b"]).starts_with("patterns[1]: "));
    }
}
