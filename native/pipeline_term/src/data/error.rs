use serde::de;
use std::fmt;

use thiserror::Error;

use pipeline_core::did_you_mean::closest;

/// Why a term is no plain data, or plain data no term.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DataError {
    /// A process identifier, port, reference, function or bit string.
    #[error(
        "{0} cannot be kept in native data; give numbers, strings, atoms, lists, tuples or maps"
    )]
    NotPlain(&'static str),
    /// An integer that does not fit.
    #[error(
        "an integer beyond 64 bits cannot be kept in native data; give a smaller one, or a string"
    )]
    IntegerTooLarge,
    /// A list whose tail is no list.
    #[error("an improper list cannot be kept in native data; end it with []")]
    ImproperList,
    /// More nesting than can be walked on a scheduler's stack.
    #[error("the value is nested more than {0} levels deep; flatten it")]
    TooDeep(usize),
    /// More values than native data may hold; a value that stands in several places counts in each.
    #[error("the value holds more than {0} values; hand over a part of it")]
    TooMany(usize),
    /// More text than native data may hold; counted likewise.
    #[error("the value holds more than {0} bytes of text; hand over a part of it")]
    TooLong(usize),
    /// Infinity or NaN, which no term can express.
    #[error("a float that is infinite or not a number has no term; leave it out")]
    NotFinite,
    /// A map key that JSON and templates have no form for.
    #[error("{0} cannot be the key of an object; use atoms, strings or integers as keys")]
    Key(&'static str),
}

/// How plain data differs from the type that was to be read from it.
///
/// The cases are those of [`serde::de::Error`], kept apart so that a message can be built from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// A field that the type does not have.
    UnknownField {
        /// The field given.
        field: String,
        /// The fields there are.
        known: &'static [&'static str],
    },
    /// A field that has to be there.
    MissingField {
        /// The field.
        field: &'static str,
    },
    /// A field given twice, as an atom and as a string.
    DuplicateField {
        /// The field.
        field: &'static str,
    },
    /// A name that is none of the allowed ones.
    UnknownVariant {
        /// The name given.
        variant: String,
        /// The names there are.
        known: &'static [&'static str],
    },
    /// A value of another type.
    Type {
        /// The type wanted, in words.
        expected: String,
        /// The type given, in words.
        found: String,
    },
    /// A value of the right type that is not allowed.
    Value {
        /// The values wanted, in words.
        expected: String,
        /// The value given.
        found: String,
    },
    /// A list or tuple of another length.
    Length {
        /// The length wanted, in words.
        expected: String,
        /// The length given.
        found: usize,
    },
    /// The message of a type's own `Deserialize`.
    Own {
        /// Its words.
        message: String,
    },
}

impl std::error::Error for ShapeError {}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField { field, known } => {
                write!(f, "unknown field {field}; {}", one_of(field, known))
            }
            Self::MissingField { field } => write!(f, "missing field {field}; add it"),
            Self::DuplicateField { field } => {
                write!(
                    f,
                    "field {field} is given twice, as an atom and as a string; keep one"
                )
            }
            Self::UnknownVariant { variant, known } => {
                write!(f, "unknown name {variant}; {}", one_of(variant, known))
            }
            Self::Type { expected, found } | Self::Value { expected, found } => {
                write!(f, "expected {expected}, found {found}")
            }
            Self::Length { expected, found } => {
                write!(f, "expected {expected}, found {found} elements")
            }
            Self::Own { message } => f.write_str(message),
        }
    }
}

/// The names that `given` may have been meant to be.
fn one_of(given: &str, known: &[&str]) -> String {
    match closest(given, known.iter().copied()) {
        Some(name) => format!("did you mean {name}? (known: {})", known.join(", ")),
        None if known.is_empty() => "none is expected here".to_owned(),
        None => format!("known: {}", known.join(", ")),
    }
}

impl de::Error for ShapeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Own {
            message: message.to_string(),
        }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::Type {
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::Value {
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    fn invalid_length(found: usize, expected: &dyn de::Expected) -> Self {
        Self::Length {
            expected: expected.to_string(),
            found,
        }
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownVariant {
            variant: variant.to_owned(),
            known,
        }
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownField {
            field: field.to_owned(),
            known,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::MissingField { field }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::DuplicateField { field }
    }
}
