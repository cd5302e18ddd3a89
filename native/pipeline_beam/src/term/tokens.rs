use super::{AtomText, Cursor, Opaque, TermError, tag};

/// One value without elements, or the header of a container whose elements follow as tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Token<'a> {
    Atom(AtomText<'a>),
    Integer(i64),
    Big {
        negative: bool,
        magnitude: &'a [u8],
    },
    Float(f64),
    Binary(&'a [u8]),
    /// `last_bits` is 1 to 8, or the slice is empty.
    Bits {
        bytes: &'a [u8],
        last_bits: u8,
    },
    /// A list of bytes in its short form.
    ByteList(&'a [u8]),
    Nil,
    /// So many elements, then the tail.
    List(u32),
    Tuple(u32),
    /// So many pairs of key and value.
    Map(u32),
    ExternalFun {
        module: AtomText<'a>,
        name: AtomText<'a>,
        arity: u8,
    },
    /// A value of a running system; its bytes are read over.
    Opaque(Opaque),
}

/// The tokens of a term, one after the other. It keeps no nesting; the reader counts elements.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(bytes),
        }
    }

    /// Bytes read so far.
    pub(crate) fn at(&self) -> usize {
        self.cursor.at()
    }

    /// Refuses bytes after the last token.
    pub(crate) fn finish(&self) -> Result<(), TermError> {
        match self.cursor.left() {
            0 => Ok(()),
            count => Err(TermError::Trailing { count }),
        }
    }

    /// Reads over one term, whatever it is, without building it.
    ///
    /// It counts the values still to come instead of nesting. Every value takes a byte at least, so the
    /// input bounds the work.
    pub(crate) fn skip(&mut self) -> Result<(), TermError> {
        let mut pending: u64 = 1;
        while pending > 0 {
            pending -= 1;
            pending += match self.next()? {
                Token::List(count) => u64::from(count) + 1,
                Token::Tuple(count) => u64::from(count),
                Token::Map(count) => u64::from(count) * 2,
                _ => 0,
            };
        }
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Result<Token<'a>, TermError> {
        let at = self.cursor.at();
        let tag = self.cursor.u8()?;
        if let Some(atom) = self.atom_after(tag, at)? {
            return Ok(Token::Atom(atom));
        }
        let cursor = &mut self.cursor;
        Ok(match tag {
            tag::SMALL_INTEGER => Token::Integer(cursor.u8()?.into()),
            tag::INTEGER => Token::Integer(cursor.i32()?.into()),
            tag::SMALL_BIG => {
                let length = cursor.u8()?;
                let negative = cursor.u8()? != 0;
                Token::Big {
                    negative,
                    magnitude: cursor.take(length.into())?,
                }
            }
            tag::LARGE_BIG => {
                let length = cursor.u32()?;
                let negative = cursor.u8()? != 0;
                Token::Big {
                    negative,
                    magnitude: cursor.take_u32(length)?,
                }
            }
            tag::NEW_FLOAT => float(f64::from_be_bytes(cursor.array()?), at)?,
            tag::FLOAT => {
                let digits = cursor
                    .take(31)?
                    .split(|byte| *byte == 0)
                    .next()
                    .unwrap_or_default();
                let value = std::str::from_utf8(digits)
                    .ok()
                    .and_then(|text| text.trim().parse().ok());
                float(value.ok_or(TermError::Float { at })?, at)?
            }
            tag::BINARY => {
                let length = cursor.u32()?;
                Token::Binary(cursor.take_u32(length)?)
            }
            tag::BIT_BINARY => {
                let length = cursor.u32()?;
                let bits = cursor.u8()?;
                if bits > 8 || (length == 0) != (bits == 0) {
                    return Err(TermError::Bits { at, bits });
                }
                Token::Bits {
                    bytes: cursor.take_u32(length)?,
                    last_bits: bits,
                }
            }
            tag::STRING => {
                let length = cursor.u16()?;
                Token::ByteList(cursor.take(length.into())?)
            }
            tag::NIL => Token::Nil,
            tag::LIST => Token::List(counted(cursor, at, 1)?),
            tag::SMALL_TUPLE => Token::Tuple(cursor.u8()?.into()),
            tag::LARGE_TUPLE => Token::Tuple(counted(cursor, at, 1)?),
            tag::MAP => Token::Map(counted(cursor, at, 2)?),
            tag::EXPORT => {
                let (module, name) = (self.atom()?, self.atom()?);
                let at = self.cursor.at();
                match self.cursor.u8()? {
                    tag::SMALL_INTEGER => {}
                    tag => return Err(TermError::Tag { tag, at }),
                }
                Token::ExternalFun {
                    module,
                    name,
                    arity: self.cursor.u8()?,
                }
            }
            tag => Token::Opaque(self.opaque(tag, at)?),
        })
    }

    fn opaque(&mut self, tag: u8, at: usize) -> Result<Opaque, TermError> {
        let (what, rest) = match tag {
            tag::NEW_FUN => {
                let size = self.cursor.u32()?;
                self.cursor.take_u32(size.saturating_sub(4))?;
                return Ok(Opaque::Closure);
            }
            tag::NEW_REFERENCE | tag::NEWER_REFERENCE => {
                let words = usize::from(self.cursor.u16()?);
                let creation = if tag == tag::NEW_REFERENCE { 1 } else { 4 };
                (Opaque::Reference, creation + 4 * words)
            }
            tag::REFERENCE => (Opaque::Reference, 5),
            tag::PID => (Opaque::Pid, 9),
            tag::NEW_PID => (Opaque::Pid, 12),
            tag::PORT => (Opaque::Port, 5),
            tag::NEW_PORT => (Opaque::Port, 8),
            tag::V4_PORT => (Opaque::Port, 12),
            tag => return Err(TermError::Tag { tag, at }),
        };
        self.atom()?;
        self.cursor.take(rest)?;
        Ok(what)
    }

    /// An atom where nothing else may stand.
    fn atom(&mut self) -> Result<AtomText<'a>, TermError> {
        let at = self.cursor.at();
        let tag = self.cursor.u8()?;
        self.atom_after(tag, at)?.ok_or(TermError::Tag { tag, at })
    }

    fn atom_after(&mut self, tag: u8, at: usize) -> Result<Option<AtomText<'a>>, TermError> {
        let (latin1, length) = match tag {
            tag::SMALL_ATOM_UTF8 => (false, self.cursor.u8()?.into()),
            tag::ATOM_UTF8 => (false, self.cursor.u16()?.into()),
            tag::SMALL_ATOM => (true, self.cursor.u8()?.into()),
            tag::ATOM => (true, self.cursor.u16()?.into()),
            _ => return Ok(None),
        };
        Ok(Some(AtomText::new(self.cursor.take(length)?, latin1, at)))
    }
}

/// The count of a container whose elements take at least `bytes` each. What the rest of the input
/// cannot hold is refused here, so no count can make anyone allocate ahead.
fn counted(cursor: &mut Cursor<'_>, at: usize, bytes: u64) -> Result<u32, TermError> {
    let count = cursor.u32()?;
    if u64::from(count) * bytes > cursor.left() as u64 {
        return Err(TermError::Count {
            at,
            count: count.into(),
        });
    }
    Ok(count)
}

fn float(value: f64, at: usize) -> Result<Token<'static>, TermError> {
    if value.is_finite() {
        Ok(Token::Float(value))
    } else {
        Err(TermError::Float { at })
    }
}
