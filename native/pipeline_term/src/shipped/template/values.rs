use super::allowance::visit;
use crate::data::Data;
use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A list of the context, or one that a filter made. Each visit to an element counts.
#[derive(Debug)]
pub(super) struct List(Vec<Value>);

impl List {
    pub(super) fn value(elements: Vec<Value>) -> Value {
        Value::from_object(Self(elements))
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let element = self.0.get(key.as_usize()?)?;
        visited(element);
        Some(element.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        visit(0);
        self.mapped_enumerator(|list| Box::new(list.0.iter().inspect(|e| visited(e)).cloned()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A map of the context. Each look-up and each visit to a key counts.
#[derive(Debug)]
pub(super) struct Map(BTreeMap<Value, Value>);

impl Map {
    pub(super) fn value(entries: BTreeMap<Value, Value>) -> Value {
        Value::from_object(Self(entries))
    }
}

impl Object for Map {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        visit(0);
        let value = self.0.get(key)?;
        visited(value);
        Some(value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        visit(0);
        self.mapped_enumerator(|map| Box::new(map.0.keys().inspect(|key| visited(key)).cloned()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

fn visited(value: &Value) {
    visit(value.as_str().map_or(0, str::len));
}

/// Data as a template sees it: atoms are text, `nil` is none, tuples are lists, as Elixir's JSON encoders
/// have it.
pub(super) fn value_of(data: &Data) -> Value {
    match data {
        Data::Nil => Value::from(()),
        Data::Bool(value) => Value::from(*value),
        Data::Int(value) => Value::from(*value),
        Data::Float(value) => Value::from(*value),
        Data::Atom(atom) => Value::from(atom.name()),
        Data::Text(text) => Value::from(text.as_str()),
        Data::Bytes(bytes) => Value::from_bytes(bytes.clone()),
        Data::List(elements) | Data::Tuple(elements) => {
            List::value(elements.iter().map(value_of).collect())
        }
        Data::Map(entries) => Map::value(
            entries
                .iter()
                .map(|(key, value)| (value_of(key), value_of(value)))
                .collect(),
        ),
    }
}
