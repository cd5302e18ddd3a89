use serde_json::Value as Json;

use crate::serialized::{at, put_below};
use crate::{Change, FieldError, FieldPath, Fields, Value};

/// What a call has changed so far. It is made to the context when the call has succeeded.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<Change>);

impl Changes {
    /// Adds a change.
    pub(crate) fn push(&mut self, path: FieldPath, value: Option<Value>) {
        // Writing one field over and over takes no more room than once.
        match self.0.last_mut() {
            Some(last) if last.path == path => last.value = value,
            _ => self.0.push(Change { path, value }),
        }
    }

    /// The field as the call sees it: with what it has changed.
    pub(crate) fn field(
        &self,
        context: &dyn Fields,
        path: &FieldPath,
    ) -> Result<Option<Value>, FieldError> {
        let covering = self
            .0
            .iter()
            .rposition(|change| change.path.below(path).is_some());
        let base = match covering {
            Some(index) => below(&self.0[index], path),
            None => context.field(path),
        };
        let later = &self.0[covering.map_or(0, |index| index + 1)..];
        let mut within = later
            .iter()
            .filter_map(|change| Some((path.below(&change.path)?, &change.value)))
            .peekable();
        if within.peek().is_none() {
            return Ok(base);
        }
        let mut json = base
            .and_then(Value::into_json)
            .unwrap_or_else(|| Json::Object(serde_json::Map::new()));
        for (keys, value) in within {
            let value = match value.clone().map(Value::into_json) {
                // JSON has nothing for it, so the field that holds it cannot be shown.
                Some(None) => return Ok(Some(Value::Opaque)),
                Some(value) => value,
                None => None,
            };
            put_below(&mut json, keys, value).map_err(|_| FieldError::NoMap(path.clone()))?;
        }
        Ok(Some(json.into()))
    }

    /// All of them, in order.
    pub(crate) fn into_vec(self) -> Vec<Change> {
        self.0
    }
}

/// What a change left at a path that is its own or below it.
fn below(change: &Change, path: &FieldPath) -> Option<Value> {
    let value = change.value.as_ref()?;
    match change.path.below(path) {
        None | Some([]) => Some(value.clone()),
        Some(keys) => match value {
            Value::List(_) | Value::Map(_) => {
                let json = value.clone().into_json()?;
                at(&json, keys).cloned().map(Value::from)
            }
            _ => None,
        },
    }
}
