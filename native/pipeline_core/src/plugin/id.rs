use std::fmt;

use serde::{Deserialize, Serialize};

use super::Name;

/// A plugin's id: a symbol or a text.
///
/// The two never equal each other. `:a` and `"a"` of Elixir name different plugins, and look different when
/// shown:
///
/// ```
/// use pipeline_core::plugin::PluginId;
///
/// let symbol = PluginId::from("a");
/// let text = PluginId::text("a");
/// assert_ne!(symbol, text);
/// assert_eq!(symbol.to_string(), "a");
/// assert_eq!(text.to_string(), "\"a\"");
/// ```
///
/// Written with serde, a symbol is a string and a text is `{"text": string}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schema",
    schemars(
        description = "A plugin's id: a symbol is a string, a text is an object. The two never equal each other."
    )
)]
#[serde(from = "PluginIdRepr", into = "PluginIdRepr")]
pub enum PluginId {
    /// An atom, on the BEAM.
    Symbol(Name),
    /// A binary, on the BEAM.
    Text(Name),
}

impl PluginId {
    /// An id that is a symbol.
    pub fn symbol(symbol: impl Into<Name>) -> Self {
        Self::Symbol(symbol.into())
    }

    /// An id that is a text.
    pub fn text(text: impl Into<Name>) -> Self {
        Self::Text(text.into())
    }
}

/// Makes a symbol.
impl From<&str> for PluginId {
    fn from(symbol: &str) -> Self {
        Self::symbol(symbol)
    }
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(symbol) => write!(f, "{symbol}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// A plugin's id: a symbol, or a text.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, deny_unknown_fields)]
enum PluginIdRepr {
    /// A symbol: an atom, on the BEAM.
    Symbol(Name),
    /// A text: a binary, on the BEAM.
    Text {
        /// The text.
        text: Name,
    },
}

impl From<PluginId> for PluginIdRepr {
    fn from(id: PluginId) -> Self {
        match id {
            PluginId::Symbol(symbol) => Self::Symbol(symbol),
            PluginId::Text(text) => Self::Text { text },
        }
    }
}

impl From<PluginIdRepr> for PluginId {
    fn from(repr: PluginIdRepr) -> Self {
        match repr {
            PluginIdRepr::Symbol(symbol) => Self::Symbol(symbol),
            PluginIdRepr::Text { text } => Self::Text(text),
        }
    }
}
