use super::{TermError, Token, Tokens};

/// Reads over one term, whatever it is, without building it.
///
/// A counter of the values still to come takes the place of nesting. Every value takes a byte at
/// least, so the work is bounded by the input.
pub(crate) fn skip(tokens: &mut Tokens<'_>) -> Result<(), TermError> {
    let mut pending: u64 = 1;
    while pending > 0 {
        pending -= 1;
        pending += match tokens.next()? {
            Token::List(count) => u64::from(count) + 1,
            Token::Tuple(count) => u64::from(count),
            Token::Map(count) => u64::from(count) * 2,
            _ => 0,
        };
    }
    Ok(())
}
