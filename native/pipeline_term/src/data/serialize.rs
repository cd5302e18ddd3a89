use super::Data;
use serde::ser::{Error, Serialize, SerializeMap, Serializer};

/// Atoms and atom keys become text, `nil` becomes null, tuples become lists: the JSON that Elixir's encoders
/// write.
impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Atom(atom) => serializer.serialize_str(atom.name()),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(elements) | Self::Tuple(elements) => serializer.collect_seq(elements),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    match key {
                        Self::Text(_) | Self::Atom(_) | Self::Nil | Self::Bool(_) => {
                            map.serialize_entry(key_name(key), value)?;
                        }
                        Self::Int(number) => map.serialize_entry(&number.to_string(), value)?,
                        other => return Err(S::Error::custom(super::DataError::Key(other.kind()))),
                    }
                }
                map.end()
            }
        }
    }
}

/// The text of a key that is a string or any atom.
fn key_name(key: &Data) -> &str {
    match key {
        Data::Bool(true) => "true",
        Data::Bool(false) => "false",
        other => other.name().unwrap_or("nil"),
    }
}
