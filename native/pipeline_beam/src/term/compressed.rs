use std::borrow::Cow;

use flate2::read::ZlibDecoder;

use super::{Cursor, TermError};
use crate::bounded_read::{Bounded, read_bounded};
use crate::limits::Limits;

const VERSION: u8 = 131;
const COMPRESSED: u8 = 80;

/// The term's bytes after the version byte, inflated if they are compressed.
///
/// # Errors
/// [`TermError::Version`], [`TermError::Compressed`], [`TermError::CompressedTooLarge`].
pub(crate) fn payload<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, TermError> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.u8()?;
    if version != VERSION {
        return Err(TermError::Version { version });
    }
    if bytes.get(1) != Some(&COMPRESSED) {
        return Ok(Cow::Borrowed(&bytes[1..]));
    }
    cursor.u8()?;
    let announced = u64::from(cursor.u32()?);
    if announced > limits.inflated_bytes {
        return Err(TermError::CompressedTooLarge {
            announced,
            limit: limits.inflated_bytes,
        });
    }
    let deflated = &bytes[cursor.at()..];
    match read_bounded(ZlibDecoder::new(deflated), announced) {
        Ok(Bounded::Whole(term)) if term.len() as u64 == announced => Ok(Cow::Owned(term)),
        _ => Err(TermError::Compressed { announced }),
    }
}
