use super::{Data, ShapeError, hand_over};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    self, Deserialize, Deserializer, EnumAccess, IntoDeserializer, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::fmt;

/// Takes the data whole, atoms included.
///
/// Behind `#[serde(flatten)]` and in untagged enums serde goes through a representation of its own, which has
/// no atoms: they arrive as text there.
impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(hand_over::TOKEN, DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain data")
    }

    fn visit_unit<E>(self) -> Result<Data, E> {
        Ok(hand_over::take().unwrap_or(Data::Nil))
    }

    fn visit_none<E>(self) -> Result<Data, E> {
        Ok(Data::Nil)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Data, E> {
        Ok(Data::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Data, E> {
        Ok(Data::Int(value))
    }

    // Formats such as JSON give each number that is not negative as this.
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Data, E> {
        i64::try_from(value).map(Data::Int).map_err(|_| {
            E::invalid_value(
                Unexpected::Unsigned(value),
                &"an integer of 64 bits with a sign",
            )
        })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Data, E> {
        Ok(Data::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Data, E> {
        Ok(Data::from(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Data, E> {
        Ok(Data::Bytes(value.to_vec()))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Data, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Data::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Data, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Data::Map(map))
    }
}

impl IntoDeserializer<'_, ShapeError> for Data {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Atoms read as their names, so that a field may be given as `:name` or `"name"`; keyword lists read as maps
/// where a map is wanted.
impl<'de> Deserializer<'de> for Data {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self {
            Self::Nil => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Int(value) => visitor.visit_i64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Atom(atom) => visitor.visit_str(atom.name()),
            Self::Text(text) => visitor.visit_string(text),
            Self::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Self::List(elements) | Self::Tuple(elements) => {
                let mut access = SeqDeserializer::new(elements.into_iter());
                let value = visitor.visit_seq(&mut access)?;
                access.end()?;
                Ok(value)
            }
            Self::Map(entries) => {
                let mut access = MapDeserializer::new(entries.into_iter());
                let value = visitor.visit_map(&mut access)?;
                access.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self {
            Self::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        if name == hand_over::TOKEN {
            hand_over::leave(self);
            visitor.visit_unit()
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        keyword_as_map(self).deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        match keyword_as_map(self) {
            // Without this a list would be taken for the fields in their order.
            other @ (Self::List(_) | Self::Tuple(_)) => Err(de::Error::invalid_type(
                Unexpected::Other(other.kind()),
                &"a map or a keyword list",
            )),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        match self {
            Self::Atom(_) | Self::Text(_) => visitor.visit_enum(UnitName(self)),
            other => Err(de::Error::invalid_type(
                Unexpected::Other(other.kind()),
                &"a name",
            )),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier ignored_any
    }
}

/// `[a: 1]` as `%{a: 1}`, and `[]`, which Elixir cannot tell from an empty keyword list, as `%{}`; anything
/// else as it is.
fn keyword_as_map(data: Data) -> Data {
    let is_entry = |element: &Data| matches!(element, Data::Tuple(pair) if matches!(pair[..], [Data::Atom(_), _]));
    match data {
        Data::List(elements) if elements.iter().all(is_entry) => Data::Map(
            elements
                .into_iter()
                .filter_map(|element| match element {
                    Data::Tuple(pair) => <[Data; 2]>::try_from(pair)
                        .ok()
                        .map(|[key, value]| (key, value)),
                    _ => None,
                })
                .collect(),
        ),
        other => other,
    }
}

/// A variant without contents.
struct UnitName(Data);

impl<'de> EnumAccess<'de> for UnitName {
    type Error = ShapeError;
    type Variant = Self;

    fn variant_seed<S: de::DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), ShapeError> {
        let name = seed.deserialize(self.0)?;
        Ok((name, Self(Data::Nil)))
    }
}

impl<'de> VariantAccess<'de> for UnitName {
    type Error = ShapeError;

    fn unit_variant(self) -> Result<(), ShapeError> {
        Ok(())
    }

    fn newtype_variant_seed<S: de::DeserializeSeed<'de>>(
        self,
        _seed: S,
    ) -> Result<S::Value, ShapeError> {
        Err(de::Error::invalid_type(
            Unexpected::UnitVariant,
            &"a variant with a value",
        ))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &visitor))
    }
}

#[cfg(test)]
mod tests {
    use super::{Data, ShapeError};
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        field: Data,
        #[serde(default)]
        limit: Option<u32>,
    }

    fn map(entries: &[(&str, Data)]) -> Data {
        Data::Map(
            entries
                .iter()
                .map(|(key, value)| (Data::from(*key), value.clone()))
                .collect(),
        )
    }

    #[test]
    fn data_passes_through_a_struct_whole() {
        let nested = Data::Tuple(vec![Data::Int(1), Data::Bytes(vec![255])]);
        let sample =
            Sample::deserialize(map(&[("field", nested.clone()), ("limit", Data::Int(3))]));
        assert_eq!(
            sample,
            Ok(Sample {
                field: nested,
                limit: Some(3)
            })
        );
    }

    #[test]
    fn an_unknown_field_names_its_likely_meaning() {
        let error = Sample::deserialize(map(&[("feild", Data::Nil)])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown field feild; did you mean field? (known: field, limit)"
        );
    }

    #[test]
    fn a_list_is_not_taken_for_a_struct() {
        let error = Sample::deserialize(Data::List(vec![Data::Int(1), Data::Int(2)])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a map or a keyword list, found a list"
        );
    }

    #[test]
    fn numbers_are_checked_against_the_type() {
        let error = Sample::deserialize(map(&[("field", Data::Nil), ("limit", Data::Int(-1))]))
            .unwrap_err();
        assert_eq!(
            error,
            ShapeError::Value {
                expected: "u32".into(),
                found: "integer `-1`".into()
            }
        );
    }
}
