use std::fmt;

use serde::{Deserialize, Serialize};

use super::Name;

/// A value that a capability can be looked up by. Symbol and text differ as they do in ids.
///
/// Written with serde, a symbol is `{"symbol": string}`; the others are what they look like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        description = "What a capability can be looked up by: one flat value. Symbol and text differ."
    )
)]
#[serde(untagged, deny_unknown_fields)]
pub enum CapabilityValue {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(Name),
    /// A symbol.
    Symbol {
        /// Its name.
        symbol: Name,
    },
}

impl CapabilityValue {
    /// A value that is a symbol.
    pub fn symbol(symbol: impl Into<Name>) -> Self {
        Self::Symbol {
            symbol: symbol.into(),
        }
    }
}

impl From<bool> for CapabilityValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for CapabilityValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

/// Makes a text.
impl From<&str> for CapabilityValue {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl fmt::Display for CapabilityValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Symbol { symbol } => write!(f, "{symbol}"),
        }
    }
}
