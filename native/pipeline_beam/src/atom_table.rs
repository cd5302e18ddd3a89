use crate::error::ReadError;
use crate::term::Cursor;

/// The atoms of a module, in the order of their indexes, which start at 1; the first is its name.
///
/// The chunk `AtU8` starts with a count. Up to OTP 27 it is positive and each atom follows a byte of
/// length. From OTP 28 on it is negative, and a length is encoded as operands of instructions are:
/// in the upper four bits of one byte, or in eleven bits of two.
#[derive(Clone)]
pub(crate) struct AtomTable<'a> {
    cursor: Cursor<'a>,
    left: u32,
    wide: bool,
}

impl<'a> AtomTable<'a> {
    pub(crate) fn new(chunk: &'a [u8]) -> Result<Self, ReadError> {
        let mut cursor = Cursor::new(chunk);
        let count = cursor.i32().map_err(|_| ReadError::AtomTable)?;
        // Each atom takes a byte of length at least.
        let left = count.unsigned_abs();
        if left as usize > cursor.left() {
            return Err(ReadError::AtomTable);
        }
        Ok(Self {
            cursor,
            left,
            wide: count < 0,
        })
    }

    fn atom(&mut self) -> Option<&'a [u8]> {
        let first = self.cursor.u8().ok()?;
        let length = match first {
            length if !self.wide => usize::from(length),
            // The tag of an unsigned operand is three zero bits; the fourth is set in the long form.
            short if short.trailing_zeros() >= 4 => usize::from(short >> 4),
            long if long & 0b1_1111 == 0b0_1000 => {
                usize::from(long >> 5) << 8 | usize::from(self.cursor.u8().ok()?)
            }
            _ => return None,
        };
        self.cursor.take(length).ok()
    }
}

impl<'a> Iterator for AtomTable<'a> {
    type Item = Result<&'a [u8], ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let atom = self.atom().ok_or(ReadError::AtomTable);
        if atom.is_err() {
            self.left = 0;
        }
        Some(atom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atoms(chunk: &[u8]) -> Result<Vec<&[u8]>, ReadError> {
        AtomTable::new(chunk)?.collect()
    }

    #[test]
    fn reads_both_forms_of_the_table() {
        let long = [b'x'; 0x12c];
        let mut wide = (-3_i32).to_be_bytes().to_vec();
        wide.extend([0x20, b'o', b'k']);
        wide.extend([0b0010_1000, 0x2c]);
        wide.extend(long);
        wide.push(0);
        assert_eq!(atoms(&wide).unwrap(), [&b"ok"[..], &long[..], &[]]);
        assert_eq!(atoms(b"\0\0\0\x02\x02ok\x01x").unwrap(), [&b"ok"[..], b"x"]);
    }

    #[test]
    fn refuses_counts_and_lengths_that_lie() {
        for chunk in [
            &b""[..],
            b"\0\0\0",
            b"\x7f\xff\xff\xff\x01a",
            b"\x80\0\0\0\x10a",
            b"\0\0\0\x01\x05ab",
            b"\xff\xff\xff\xff\x50ab",
            b"\xff\xff\xff\xff\x28",
            b"\xff\xff\xff\xff\x18\x01",
            b"\xff\xff\xff\xff\x01a",
        ] {
            assert_eq!(
                atoms(chunk).unwrap_err().reason(),
                "atom_table",
                "{chunk:?}"
            );
        }
    }
}
