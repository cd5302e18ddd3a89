use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use thiserror::Error;

use super::visits::Visits;
use crate::error::ReadError;
use crate::escape::Escaped;

/// One component of a pattern.
enum Step {
    /// A name, `..` or a root, taken as it stands.
    Literal(PathBuf),
    /// A name with wildcards.
    Wild { matcher: GlobSet, hidden: bool },
    /// `**`: any number of directories.
    Deep,
}

/// Whether the path holds a wildcard: `*`, `?`, `[` or `{`.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| text.contains(['*', '?', '[', '{']))
}

/// A pattern that a scan does not follow.
#[derive(Debug, Error)]
pub enum PatternError {
    /// A pattern that does not parse.
    #[error(
        "the pattern does not parse: {}; a brace group may not contain a slash",
        Escaped::new(.0.kind().to_string().as_bytes())
    )]
    Syntax(#[from] globset::Error),
    /// A long pattern.
    #[error("the pattern has more than {PATTERN_BYTES} bytes; write several patterns")]
    Long,
    /// A pattern with many wildcards; each multiplies the work.
    #[error("the pattern has more than {WILDCARDS} wildcards; write several patterns")]
    Wildcards,
    /// Braces in braces.
    #[error("the pattern nests more than {NESTING} braces; write several patterns")]
    Nesting,
}

const PATTERN_BYTES: usize = 1024;
/// Counts `*`, `?`, `[` and `{`.
const WILDCARDS: usize = 32;
const NESTING: usize = 4;

fn check(pattern: &Path) -> Result<(), PatternError> {
    let pattern = pattern.as_os_str().as_encoded_bytes();
    if pattern.len() > PATTERN_BYTES {
        return Err(PatternError::Long);
    }
    let (mut wildcards, mut nesting) = (0, 0_usize);
    for byte in pattern {
        match byte {
            b'*' | b'?' | b'[' => wildcards += 1,
            b'{' => (wildcards, nesting) = (wildcards + 1, nesting + 1),
            b'}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        if nesting > NESTING {
            return Err(PatternError::Nesting);
        }
    }
    if wildcards > WILDCARDS {
        return Err(PatternError::Wildcards);
    }
    Ok(())
}

/// The paths that match, sorted and without duplicates. A pattern may match nothing.
///
/// Wildcards do not match names that start with a dot, as in a shell. `*` follows symbolic links; `**`
/// does not, so links cannot lead it in a circle. A directory without read permission matches nothing.
///
/// # Errors
/// [`ReadError::Pattern`]; [`ReadError::TooManyEntries`] when `visits` is used up.
pub(super) fn expand(pattern: &Path, visits: &mut Visits) -> Result<Vec<PathBuf>, ReadError> {
    check(pattern)?;
    let mut matched = vec![PathBuf::new()];
    for step in steps(pattern)? {
        let mut next = Vec::new();
        for base in matched {
            visits.count(&base)?;
            match &step {
                Step::Literal(name) => next.push(base.join(name)),
                Step::Wild { matcher, hidden } => {
                    for child in children(&base) {
                        visits.count(&child)?;
                        if matches(matcher, *hidden, &child) {
                            next.push(child);
                        }
                    }
                }
                Step::Deep => descend(base, visits, &mut next)?,
            }
        }
        // Two `**` lead to the same place in several ways.
        next.sort();
        next.dedup();
        matched = next;
    }
    for path in &mut matched {
        if path.as_os_str().is_empty() {
            *path = PathBuf::from(".");
        }
    }
    matched.retain(|path| path.exists());
    Ok(matched)
}

fn steps(pattern: &Path) -> Result<Vec<Step>, PatternError> {
    pattern.components().map(step).collect()
}

fn step(component: Component<'_>) -> Result<Step, PatternError> {
    let path: &Path = component.as_ref();
    let Component::Normal(name) = component else {
        return Ok(Step::Literal(path.into()));
    };
    if name == "**" {
        return Ok(Step::Deep);
    }
    match name.to_str().filter(|_| is_pattern(path)) {
        None => Ok(Step::Literal(path.into())),
        Some(text) => {
            let glob = GlobBuilder::new(text).literal_separator(true).build()?;
            // A set is built without a panic, whatever becomes of the glob as a regular expression.
            Ok(Step::Wild {
                matcher: GlobSetBuilder::new().add(glob).build()?,
                hidden: text.starts_with('.'),
            })
        }
    }
}

fn matches(matcher: &GlobSet, hidden: bool, child: &Path) -> bool {
    child.file_name().is_some_and(|name| {
        (hidden || !name.as_encoded_bytes().starts_with(b".")) && matcher.is_match(name)
    })
}

/// `base` and all directories below it, links not followed.
fn descend(base: PathBuf, visits: &mut Visits, into: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let mut next = into.len();
    into.push(base);
    while next < into.len() {
        for child in children(&into[next].clone()) {
            visits.count(&child)?;
            let hidden = child
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let directory = || {
                child
                    .symlink_metadata()
                    .is_ok_and(|metadata| metadata.is_dir())
            };
            if !hidden && directory() {
                into.push(child);
            }
        }
        next += 1;
    }
    Ok(())
}

/// The entries of a directory; of the working directory if `base` is empty.
fn children(base: &Path) -> impl Iterator<Item = PathBuf> {
    let listed = if base.as_os_str().is_empty() {
        Path::new(".")
    } else {
        base
    };
    let names = std::fs::read_dir(listed).into_iter().flatten().flatten();
    names.map(move |entry| base.join(entry.file_name()))
}
