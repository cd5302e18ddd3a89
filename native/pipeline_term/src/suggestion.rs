/// The name most like `given`, if one is like enough for a did-you-mean.
///
/// Likeness is Jaro-Winkler, which favours a common beginning; 0.8 lets a slip of one or two letters through.
pub(crate) fn closest<'n>(
    given: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_slip_is_recognised_and_a_different_word_is_not() {
        assert_eq!(
            closest("redcat", ["rename", "redact", "put"]),
            Some("redact")
        );
        assert_eq!(closest("validate", ["rename", "redact", "put"]), None);
    }
}
