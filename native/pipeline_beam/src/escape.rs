use std::fmt::{self, Write};
use std::path::Path;

/// Text of unknown origin, shown on one line.
///
/// Characters that are not printable appear by their number, bytes that are not UTF-8 as `\xff`, and a
/// backslash as two. Different texts stay different.
///
/// ```
/// use pipeline_beam::Escaped;
///
/// assert_eq!(Escaped::new(b"caf\xc3\xa9 \"x\"\n\x1b[2J\xff").to_string(), r#"café "x"\n\u{1b}[2J\xff"#);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(&'a [u8]);

impl<'a> Escaped<'a> {
    /// Shows these bytes.
    pub fn new(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// Shows a path, so that the file can be found by it.
    pub fn path(path: &'a Path) -> Self {
        Self(path.as_os_str().as_encoded_bytes())
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                match char {
                    ' '..='[' | ']'..='~' => f.write_char(char)?,
                    // A combining mark is escaped only where it has no letter to join.
                    char => String::from_iter(['a', char])
                        .escape_debug()
                        .skip(1)
                        .try_for_each(|shown| f.write_char(shown))?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}
