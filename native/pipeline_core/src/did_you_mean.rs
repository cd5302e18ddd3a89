//! Did-you-mean: the known name that a wrong one resembles.

use crate::resolve::Identifier;

/// Longer names are never compared: the comparison takes the product of both lengths.
const MAX_LENGTH: usize = 64;

/// The known name closest to a wrong one, if one is close enough: one edit for every three characters, at
/// least one.
///
/// ```
/// use pipeline_core::did_you_mean::closest;
///
/// assert_eq!(closest("redcat", ["rename", "redact", "put"]), Some("redact"));
/// assert_eq!(closest("validate", ["rename", "redact", "put"]), None);
/// ```
pub fn closest<'n>(wrong: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    known
        .into_iter()
        .filter(|known| *known != wrong)
        .filter_map(|known| Some((distance(wrong, known)?, known)))
        .min()
        .map(|(_, known)| known)
}

/// The edits from one name to another, if they are few enough for one to be meant by the other.
fn distance(wrong: &str, known: &str) -> Option<usize> {
    if wrong.len() > MAX_LENGTH || known.len() > MAX_LENGTH {
        return None;
    }
    let limit = (wrong.chars().count() / 3).max(1);
    // A character has up to four bytes.
    if known.len().abs_diff(wrong.len()) > 4 * limit {
        return None;
    }
    Some(strsim::osa_distance(wrong, known)).filter(|distance| *distance <= limit)
}

/// Looks for known names that a wrong one may have been meant to be.
///
/// Comparing costs a pass over all known names, so one search answers a limited number of questions and is
/// silent afterwards; nobody reads the twentieth suggestion.
pub(crate) struct Suggestions<'a, N> {
    known: Vec<(usize, &'a N, String)>,
    left: usize,
}

impl<'a, N: Identifier> Suggestions<'a, N> {
    const QUESTIONS: usize = 16;

    /// Each name with what the caller knows it by.
    pub(crate) fn among(known: impl IntoIterator<Item = (usize, &'a N)>) -> Self {
        let known = known
            .into_iter()
            .map(|(key, name)| (key, name, name.to_string()))
            .collect();
        Self {
            known,
            left: Self::QUESTIONS,
        }
    }

    /// The closest known name, if it is close: up to one edit in three characters. Names that would not help,
    /// such as the id of the plugin that asks, are passed over.
    pub(crate) fn closest(&mut self, wrong: &N, helps: impl Fn(usize) -> bool) -> Option<N> {
        self.left = self.left.checked_sub(1)?;
        let text = wrong.to_string();
        self.known
            .iter()
            .filter(|(key, name, _)| *name != wrong && helps(*key))
            .filter_map(|(_, name, known)| Some((distance(&text, known)?, *name)))
            .min()
            .map(|(_, name)| name.clone())
    }
}

/// ` Did you mean NAME?`, or nothing.
pub(crate) fn did_you_mean<N: Identifier>(suggestion: Option<&N>) -> String {
    suggestion
        .map(|name| format!(" Did you mean {name}?"))
        .unwrap_or_default()
}
