use semver::{BuildMetadata, Prerelease, Version};

use super::VersionError;

/// Elixir's limit from 1.20.1 on; every number within it fits a `u64`.
const MAX_DIGITS: usize = 14;

/// Bytes of a version. Nothing longer is looked at any further.
pub const MAX_VERSION_BYTES: usize = 256;

const PRE_RELEASE: &str = "pre-release";
const BUILD: &str = "build metadata";

/// Reads a version as Elixir's `Version.parse/1` does.
///
/// Stricter than [`Version::parse`]: a number of more than 14 digits is refused, also in the pre-release, and
/// so is a text of more than [`MAX_VERSION_BYTES`].
///
/// ```
/// use pipeline_core::requirement::parse_version;
///
/// assert_eq!(parse_version("1.2.3-rc.1+007")?.pre.as_str(), "rc.1");
/// assert!(parse_version("1.2").is_err());
/// assert!(parse_version("1.2.3-01").is_err());
/// # Ok::<(), pipeline_core::requirement::VersionError>(())
/// ```
///
/// # Errors
///
/// A [`VersionError`] that says which part is wrong.
pub fn parse_version(text: &str) -> Result<Version, VersionError> {
    let (version, has_patch) = parse_operand(text)?;
    if has_patch {
        Ok(version)
    } else {
        Err(VersionError::MissingNumber {
            text: text.to_owned(),
            part: "patch",
        })
    }
}

/// Reads a version whose patch number may be missing; tells whether it was there (it is 0 otherwise).
pub(super) fn parse_operand(text: &str) -> Result<(Version, bool), VersionError> {
    if text.len() > MAX_VERSION_BYTES {
        return Err(VersionError::TooLong { bytes: text.len() });
    }
    let (rest, build) = split_once(text, '+');
    let (numbers, pre) = split_once(rest, '-');

    let mut parts = numbers.split('.');
    let major = number(text, "major", parts.next())?;
    let minor = number(text, "minor", parts.next())?;
    let patch = parts.next();
    if parts.next().is_some() {
        return Err(VersionError::TooManyNumbers {
            text: text.to_owned(),
        });
    }
    let has_patch = patch.is_some();
    let patch = patch.map_or(Ok(0), |patch| number(text, "patch", Some(patch)))?;

    // Both `new` calls accept whatever passed the checks; `map_err` keeps that an error and not a panic.
    let pre = match pre {
        None => Prerelease::EMPTY,
        Some(pre) => {
            for identifier in pre.split('.') {
                check_identifier(text, PRE_RELEASE, identifier)?;
                if identifier.bytes().all(|byte| byte.is_ascii_digit()) {
                    check_digits(text, identifier)?;
                }
            }
            Prerelease::new(pre).map_err(|_| bad_identifier(text, PRE_RELEASE, pre))?
        }
    };
    let build = match build {
        None => BuildMetadata::EMPTY,
        Some(build) => {
            build
                .split('.')
                .try_for_each(|identifier| check_identifier(text, BUILD, identifier))?;
            BuildMetadata::new(build).map_err(|_| bad_identifier(text, BUILD, build))?
        }
    };
    Ok((
        Version {
            major,
            minor,
            patch,
            pre,
            build,
        },
        has_patch,
    ))
}

fn split_once(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn number(text: &str, part: &'static str, found: Option<&str>) -> Result<u64, VersionError> {
    let Some(found) = found.filter(|found| !found.is_empty()) else {
        return Err(VersionError::MissingNumber {
            text: text.to_owned(),
            part,
        });
    };
    if !found.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(VersionError::NotANumber {
            text: text.to_owned(),
            part,
            found: found.to_owned(),
        });
    }
    check_digits(text, found)?;
    found.parse().map_err(|_| VersionError::TooManyDigits {
        text: text.to_owned(),
        number: found.to_owned(),
    })
}

fn check_digits(text: &str, digits: &str) -> Result<(), VersionError> {
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(VersionError::LeadingZero {
            text: text.to_owned(),
            number: digits.to_owned(),
        });
    }
    if digits.len() > MAX_DIGITS {
        return Err(VersionError::TooManyDigits {
            text: text.to_owned(),
            number: digits.to_owned(),
        });
    }
    Ok(())
}

fn check_identifier(text: &str, part: &'static str, identifier: &str) -> Result<(), VersionError> {
    if identifier.is_empty() {
        return Err(VersionError::EmptyIdentifier {
            text: text.to_owned(),
            part,
        });
    }
    if identifier
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        Ok(())
    } else {
        Err(bad_identifier(text, part, identifier))
    }
}

fn bad_identifier(text: &str, part: &'static str, identifier: &str) -> VersionError {
    VersionError::BadIdentifier {
        text: text.to_owned(),
        part,
        identifier: identifier.to_owned(),
    }
}
