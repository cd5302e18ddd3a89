use crate::bounds::{check, check_size};
use crate::error::ReadError;
use crate::limits::Limits;
use crate::term::{Term, Token, Tokens, decode_value, payload};

/// The module attribute that carries a plugin's manifest.
pub const MANIFEST_ATTRIBUTE: &str = "pipeline_plugin";

/// The manifest in the data of a chunk `Attr` and its size in bytes, `None` where there is none. Every other
/// attribute is read over, whatever it holds.
///
/// The chunk is the term `[{Name, [Value]}]`. A compiler writes one pair per attribute declaration,
/// and the values of a list attribute stand in the list themselves.
pub(crate) fn manifest(
    attributes: &[u8],
    limits: &Limits,
) -> Result<Option<(Term, usize)>, ReadError> {
    let payload = payload(attributes, limits)?;
    let mut tokens = Tokens::new(&payload);
    let count = match tokens.next()? {
        Token::Nil => return Ok(None),
        Token::List(count) => count,
        _ => return Err(ReadError::Attributes),
    };
    let mut manifest = None;
    for _ in 0..count {
        let Token::Tuple(2) = tokens.next()? else {
            return Err(ReadError::Attributes);
        };
        let Token::Atom(name) = tokens.next()? else {
            return Err(ReadError::Attributes);
        };
        if !name.is(MANIFEST_ATTRIBUTE) {
            tokens.skip()?;
        } else if manifest.is_some() {
            return Err(ReadError::SeveralManifests);
        } else {
            let bytes = check_size(&tokens)?;
            let single = single(decode_value(&mut tokens, limits)?)?;
            check(&single)?;
            manifest = Some((single, bytes));
        }
    }
    match tokens.next()? {
        Token::Nil => {}
        _ => return Err(ReadError::Attributes),
    }
    tokens.finish()?;
    Ok(manifest)
}

fn single(values: Term) -> Result<Term, ReadError> {
    let Term::List(values) = values else {
        return Err(ReadError::Attributes);
    };
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (Some(map @ Term::Map(_)), None) => Ok(map),
        (Some(Term::Map(_)), Some(Term::Map(_))) => Err(ReadError::SeveralManifests),
        _ => Err(ReadError::ManifestNotAMap),
    }
}
