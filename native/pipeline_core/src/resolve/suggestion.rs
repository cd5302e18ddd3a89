use super::Identifier;

/// Longer names are never compared: the comparison takes the product of both lengths.
const MAX_LENGTH: usize = 64;

/// Looks for known names that a wrong one may have been meant to be.
///
/// Comparing costs a pass over all known names, so one search answers a limited number of questions and is silent
/// afterwards; nobody reads the twentieth suggestion.
pub(super) struct Suggestions<'a, N> {
    known: Vec<(usize, &'a N, String)>,
    left: usize,
}

impl<'a, N: Identifier> Suggestions<'a, N> {
    const QUESTIONS: usize = 16;

    /// Each name with what the caller knows it by.
    pub(super) fn among(known: impl IntoIterator<Item = (usize, &'a N)>) -> Self {
        let known = known
            .into_iter()
            .map(|(key, name)| (key, name, name.to_string()))
            .collect();
        Self {
            known,
            left: Self::QUESTIONS,
        }
    }

    /// The closest known name, if it is close: up to one edit in three characters. Names that would not help, such as the
    /// id of the plugin that asks, are passed over.
    pub(super) fn closest(&mut self, wrong: &N, helps: impl Fn(usize) -> bool) -> Option<N> {
        self.left = self.left.checked_sub(1)?;
        let text = wrong.to_string();
        if text.len() > MAX_LENGTH {
            return None;
        }
        let limit = (text.chars().count() / 3).max(1);
        self.known
            .iter()
            .filter(|(_, name, known)| {
                *name != wrong && known.len().abs_diff(text.len()) <= 4 * limit
            })
            .filter(|(key, _, known)| known.len() <= MAX_LENGTH && helps(*key))
            .map(|(_, name, known)| (strsim::osa_distance(&text, known), *name))
            .filter(|(distance, _)| *distance <= limit)
            .min()
            .map(|(_, name)| name.clone())
    }
}

/// ` Did you mean NAME?`, or nothing.
pub(super) fn did_you_mean<N: Identifier>(suggestion: Option<&N>) -> String {
    suggestion
        .map(|name| format!(" Did you mean {name}?"))
        .unwrap_or_default()
}
