use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A field of a context, as guest and host hand it to each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, but there.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes that are no text.
    Binary(Vec<u8>),
    /// A list.
    List(Vec<Json>),
    /// A map.
    Map(serde_json::Map<String, Json>),
    /// Something that a guest cannot see, such as a handle of the host.
    Opaque,
}

/// The kind of a field, by the number that a guest knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// There is no such field.
    Absent = 0,
    /// [`Value::Null`].
    Null = 1,
    /// [`Value::Boolean`].
    Boolean = 2,
    /// [`Value::Integer`].
    Integer = 3,
    /// [`Value::Float`].
    Float = 4,
    /// [`Value::Text`].
    Text = 5,
    /// [`Value::Binary`].
    Binary = 6,
    /// [`Value::List`].
    List = 7,
    /// [`Value::Map`].
    Map = 8,
    /// [`Value::Opaque`].
    Opaque = 9,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Absent,
        Self::Null,
        Self::Boolean,
        Self::Integer,
        Self::Float,
        Self::Text,
        Self::Binary,
        Self::List,
        Self::Map,
        Self::Opaque,
    ];

    /// The kind of this number.
    pub(crate) fn of_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == number)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "nothing",
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Float => "a float",
            Self::Text => "a text",
            Self::Binary => "a binary",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Opaque => "a value that a guest cannot see",
        })
    }
}

impl Value {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Boolean(_) => Kind::Boolean,
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::Opaque => Kind::Opaque,
        }
    }

    /// As JSON; none where JSON has nothing for it: bytes, an opaque value, a float that is no number.
    pub fn into_json(self) -> Option<Json> {
        match self {
            Self::Null => Some(Json::Null),
            Self::Boolean(value) => Some(Json::Bool(value)),
            Self::Integer(value) => Some(value.into()),
            Self::Float(value) => serde_json::Number::from_f64(value).map(Json::Number),
            Self::Text(text) => Some(Json::String(text)),
            Self::List(elements) => Some(Json::Array(elements)),
            Self::Map(map) => Some(Json::Object(map)),
            Self::Binary(_) | Self::Opaque => None,
        }
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Boolean(value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => Self::Integer(value),
                (None, Some(value)) => Self::Float(value),
                (None, None) => Self::Opaque,
            },
            Json::String(text) => Self::Text(text),
            Json::Array(elements) => Self::List(elements),
            Json::Object(map) => Self::Map(map),
        }
    }
}
