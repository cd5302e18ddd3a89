use super::builder::Builder;
use super::{Term, TermError, Tokens, payload};
use crate::limits::Limits;

/// Decodes a term in external format, version byte and all.
///
/// ```
/// use pipeline_beam::{Limits, Term, decode};
/// // term_to_binary({ok, 7})
/// let bytes = [131, 104, 2, 119, 2, b'o', b'k', 97, 7];
/// let term = decode(&bytes, &Limits::default())?;
/// assert_eq!(term, Term::Tuple(vec![Term::Atom("ok".into()), Term::Integer(7)]));
/// # Ok::<(), pipeline_beam::TermError>(())
/// ```
///
/// # Errors
/// Any [`TermError`]; nothing is kept of a term that fails.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Term, TermError> {
    let payload = payload(bytes, limits)?;
    let mut tokens = Tokens::new(&payload);
    let term = decode_value(&mut tokens, limits)?;
    tokens.finish()?;
    Ok(term)
}

/// Decodes the one term that comes next.
pub(crate) fn decode_value(tokens: &mut Tokens<'_>, limits: &Limits) -> Result<Term, TermError> {
    let mut builder = Builder::new(limits)?;
    loop {
        let at = tokens.at();
        let token = tokens.next()?;
        if let Some(term) = builder.push(token, at)?
            && let Some(term) = builder.close(term, tokens.at())?
        {
            return Ok(term);
        }
    }
}
