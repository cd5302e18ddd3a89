use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::error::ReadError;

/// One component of a pattern.
enum Step {
    /// A name, `..` or a root, taken as it stands.
    Literal(PathBuf),
    /// A name with wildcards.
    Wild { matcher: GlobMatcher, hidden: bool },
    /// `**`: any number of directories.
    Deep,
}

/// Whether the path holds a wildcard: `*`, `?`, `[` or `{`.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| text.contains(['*', '?', '[', '{']))
}

/// The paths that match, sorted and each once. None at all is no error: `plugins/*/ebin` is as true of a
/// directory without plugins.
///
/// Wildcards do not match names that start with a dot, as in a shell. `*` follows symbolic links;
/// `**` does not, and so cannot be led in a circle. What may not be listed matches nothing.
///
/// # Errors
/// [`ReadError::Pattern`], and [`ReadError::TooManyFiles`] when more than `limit` paths match any
/// beginning of the pattern.
pub(super) fn expand(pattern: &Path, limit: usize) -> Result<Vec<PathBuf>, ReadError> {
    let mut matched = vec![PathBuf::new()];
    for step in steps(pattern)? {
        let mut next = Vec::new();
        for base in matched {
            match &step {
                Step::Literal(name) => next.push(base.join(name)),
                Step::Wild { matcher, hidden } => {
                    let names = children(&base).filter(|child| matches(matcher, *hidden, child));
                    next.extend(names.take(limit.saturating_add(1)));
                }
                Step::Deep => descend(base, limit, &mut next),
            }
            if next.len() > limit {
                return Err(ReadError::TooManyFiles { limit });
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

fn steps(pattern: &Path) -> Result<Vec<Step>, ReadError> {
    pattern.components().map(step).collect()
}

fn step(component: Component<'_>) -> Result<Step, ReadError> {
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
            Ok(Step::Wild {
                matcher: glob.compile_matcher(),
                hidden: text.starts_with('.'),
            })
        }
    }
}

fn matches(matcher: &GlobMatcher, hidden: bool, child: &Path) -> bool {
    child.file_name().is_some_and(|name| {
        (hidden || !name.as_encoded_bytes().starts_with(b".")) && matcher.is_match(name)
    })
}

/// `base` and all directories below it, links not followed.
fn descend(base: PathBuf, limit: usize, into: &mut Vec<PathBuf>) {
    let mut next = into.len();
    into.push(base);
    while next < into.len() && into.len() <= limit {
        let below = children(&into[next]).filter(|child| {
            let hidden = child
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            !hidden
                && child
                    .symlink_metadata()
                    .is_ok_and(|metadata| metadata.is_dir())
        });
        let below: Vec<_> = below.take(limit).collect();
        into.extend(below);
        next += 1;
    }
}

/// What stands in a directory; the working directory where `base` is empty.
fn children(base: &Path) -> impl Iterator<Item = PathBuf> {
    let listed = if base.as_os_str().is_empty() {
        Path::new(".")
    } else {
        base
    };
    let names = std::fs::read_dir(listed).into_iter().flatten().flatten();
    names.map(move |entry| base.join(entry.file_name()))
}
