use crate::error::ReadError;
use crate::limits::Limits;
use crate::term::{Term, Tokens, decode_value, payload};

/// The size of the next term in bytes. A term too large for a manifest is refused before it is built.
pub(crate) fn check_size(tokens: &Tokens<'_>) -> Result<usize, ReadError> {
    let mut end = tokens.clone();
    end.skip()?;
    let bytes = end.at() - tokens.at();
    if bytes > Limits::MANIFEST_BYTES {
        return Err(ReadError::ManifestTooLarge { bytes });
    }
    Ok(bytes)
}

/// Checks the texts and lists of a manifest against their bounds. It does not check their types:
/// `Pipeline.Plugin.Manifest` does.
pub(crate) fn check(manifest: &Term) -> Result<(), ReadError> {
    for key in ["id", "name", "author"] {
        check_text(manifest.get(key), key, Limits::NAME_BYTES)?;
    }
    check_text(manifest.get("version"), "version", Limits::VERSION_BYTES)?;
    check_length("capabilities", items(manifest.get("capabilities")).len())?;
    let dependencies = items(manifest.get("dependencies"));
    check_length("dependencies", dependencies.len())?;
    dependencies.iter().try_for_each(check_dependency)?;
    if let Some(Term::Map(kinds)) = manifest.get("hooks") {
        check_length(
            "hooks",
            kinds
                .iter()
                .map(|(_, points)| items(Some(points)).len())
                .sum(),
        )?;
    }
    Ok(())
}

/// `{Id, [{version, Requirement}, ...]}`
fn check_dependency(dependency: &Term) -> Result<(), ReadError> {
    let Term::Tuple(pair) = dependency else {
        return Ok(());
    };
    check_text(pair.first(), "id of a dependency", Limits::NAME_BYTES)?;
    for option in items(pair.get(1)) {
        if let Term::Tuple(option) = option {
            let part = "requirement of a dependency";
            check_text(option.get(1), part, Limits::REQUIREMENT_BYTES)?;
        }
    }
    Ok(())
}

fn items(list: Option<&Term>) -> &[Term] {
    match list {
        Some(Term::List(items) | Term::ImproperList(items, _)) => items,
        _ => &[],
    }
}

fn check_text(text: Option<&Term>, part: &'static str, limit: usize) -> Result<(), ReadError> {
    match text {
        Some(Term::Binary(text)) if text.len() > limit => Err(ReadError::ManifestTextTooLong {
            part,
            bytes: text.len(),
            limit,
        }),
        _ => Ok(()),
    }
}

fn check_length(part: &'static str, count: usize) -> Result<(), ReadError> {
    if count > Limits::LIST_LENGTH {
        return Err(ReadError::ManifestTooMany { part, count });
    }
    Ok(())
}

/// Checks a manifest in external term format, as [`read_module`](crate::read_module) does the one in a file.
///
/// ```
/// use pipeline_beam::{Limits, check_manifest};
///
/// // term_to_binary(#{version => <<"1.0.0">>})
/// let manifest = b"\x83t\0\0\0\x01w\x07versionm\0\0\0\x051.0.0";
/// assert!(check_manifest(manifest, &Limits::default()).is_ok());
/// ```
///
/// # Errors
/// A [`ReadError`] about terms or the manifest.
pub fn check_manifest(external: &[u8], limits: &Limits) -> Result<(), ReadError> {
    let payload = payload(external, limits)?;
    let mut tokens = Tokens::new(&payload);
    check_size(&tokens)?;
    let manifest = decode_value(&mut tokens, limits)?;
    tokens.finish()?;
    check(&manifest)
}
