use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use semver::Version;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::comparator::{Comparator, Operator};
use super::lexer::{Token, tokens};
use super::version::parse_operand;
use super::{AllowPre, MatchError, RequirementError, parse_version};

/// Bytes of a requirement. Nothing longer is looked at any further.
pub const MAX_REQUIREMENT_BYTES: usize = 1024;

/// A version requirement, for example `~> 1.2 and != 1.4.0`.
///
/// Cloning one is cheap. Parsed once, it keeps its text: [`Display`](fmt::Display) and serde give back what
/// was written. The semantics are in the [module documentation](super).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    source: Arc<str>,
    /// True if every comparator of any one list is.
    alternatives: Arc<[Vec<Comparator>]>,
}

impl Requirement {
    /// Whether the version fulfils the requirement.
    pub fn matches(&self, version: &Version, allow_pre: AllowPre) -> bool {
        self.alternatives.iter().any(|comparators| {
            comparators
                .iter()
                .all(|comparator| comparator.matches(version, allow_pre))
        })
    }

    /// Whether a comparison in it is with a pre-release: the author knows of pre-releases and wants them
    /// looked at.
    pub fn names_pre_release(&self) -> bool {
        self.alternatives
            .iter()
            .flatten()
            .any(Comparator::names_pre_release)
    }

    /// The text it was parsed from.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

/// Answers `Version.match?(version, requirement, allow_pre: …)` for texts.
///
/// # Errors
///
/// [`MatchError::Requirement`] if the requirement is none, whatever the version; else [`MatchError::Version`] if the
/// version is none.
pub fn is_match(version: &str, requirement: &str, allow_pre: AllowPre) -> Result<bool, MatchError> {
    let requirement: Requirement = requirement.parse()?;
    Ok(requirement.matches(&parse_version(version)?, allow_pre))
}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        if text.len() > MAX_REQUIREMENT_BYTES {
            return Err(RequirementError::TooLong { bytes: text.len() });
        }
        let mut alternatives = vec![Vec::new()];
        let mut tokens = tokens(text).into_iter().peekable();
        if tokens.peek().is_none() {
            return Err(RequirementError::Empty);
        }
        let mut after = None;
        loop {
            let comparator = comparator(text, after, &mut tokens)?;
            if let Some(last) = alternatives.last_mut() {
                last.push(comparator);
            }
            match tokens.next() {
                None => {
                    return Ok(Self {
                        source: text.into(),
                        alternatives: alternatives.into(),
                    });
                }
                Some(Token::And) => after = Some("and"),
                Some(Token::Or) => {
                    after = Some("or");
                    alternatives.push(Vec::new());
                }
                Some(Token::Version(second)) => return Err(missing_connective(text, second)),
                Some(Token::Operator(operator)) => {
                    return Err(missing_connective(text, operator.text()));
                }
            }
        }
    }
}

/// The next comparator; `after` is the connective it stands behind.
fn comparator<'a>(
    text: &str,
    after: Option<&'static str>,
    tokens: &mut impl Iterator<Item = Token<'a>>,
) -> Result<Comparator, RequirementError> {
    let missing = |after| RequirementError::MissingVersion {
        text: text.to_owned(),
        after,
    };
    let connective = |connective| match after {
        Some(after) => missing(after),
        None => RequirementError::LeadingConnective {
            text: text.to_owned(),
            connective,
        },
    };
    let (operator, version) = match tokens.next() {
        Some(Token::Version(version)) => (Operator::Equal, version),
        Some(Token::Operator(operator)) => match tokens.next() {
            Some(Token::Version(version)) => (operator, version),
            _ => return Err(missing(operator.text())),
        },
        Some(Token::And) => return Err(connective("and")),
        Some(Token::Or) => return Err(connective("or")),
        None => return Err(missing(after.unwrap_or_default())),
    };
    let (operand, has_patch) =
        parse_operand(version).map_err(|source| RequirementError::Version {
            text: text.to_owned(),
            source,
        })?;
    if !has_patch && operator != Operator::Compatible {
        return Err(RequirementError::MissingPatch {
            text: text.to_owned(),
            version: version.to_owned(),
        });
    }
    Ok(Comparator::new(operator, operand, has_patch))
}

fn missing_connective(text: &str, second: &str) -> RequirementError {
    RequirementError::MissingConnective {
        text: text.to_owned(),
        second: second.to_owned(),
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
