use std::borrow::Cow;

use super::TermError;

/// An atom as it stands in the file; checked when its text is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtomText<'a> {
    bytes: &'a [u8],
    latin1: bool,
    at: usize,
}

impl<'a> AtomText<'a> {
    /// The atom whose text is `bytes`, and which starts at byte `at` of the term.
    pub(super) fn new(bytes: &'a [u8], latin1: bool, at: usize) -> Self {
        Self { bytes, latin1, at }
    }

    /// Whether this is `text`, which is ASCII.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.bytes == text.as_bytes()
    }

    pub(crate) fn text(&self) -> Result<Cow<'a, str>, TermError> {
        let text = if self.latin1 {
            self.bytes.iter().map(|byte| char::from(*byte)).collect()
        } else {
            let text = std::str::from_utf8(self.bytes);
            Cow::Borrowed(text.map_err(|_| TermError::Atom { at: self.at })?)
        };
        // 255 characters take at least as many bytes; count them only when they might not fit.
        if text.len() > 255 && text.chars().count() > 255 {
            return Err(TermError::Atom { at: self.at });
        }
        Ok(text)
    }
}
