//! Fields of contexts that serde reads and writes.
//!
//! ```
//! use pipeline_wasm::{Change, FieldError, FieldPath, Fields, Value, serialized};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Article {
//!     title: String,
//! }
//!
//! impl Fields for Article {
//!     fn field(&self, path: &FieldPath) -> Option<Value> {
//!         serialized::field(self, path)
//!     }
//!     fn apply(&mut self, changes: Vec<Change>) -> Result<(), FieldError> {
//!         serialized::apply(self, changes)
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let article = Article { title: "Walls".to_owned() };
//! let title = article.field(&FieldPath::parse("/title")?);
//! assert_eq!(title, Some(Value::Text("Walls".to_owned())));
//! # Ok(())
//! # }
//! ```
//!
//! Each read and each call that changes something writes the whole context out. A context that is large, or read
//! often, implements [`Fields`] itself.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::{Change, FieldError, FieldPath, Fields, Value};

/// The field at a path.
pub fn field(context: &impl Serialize, path: &FieldPath) -> Option<Value> {
    serde_json::to_value(context).ok()?.field(path)
}

/// Makes changes: all of them, or none.
///
/// # Errors
///
/// [`FieldError::Shape`] if the changed context would not be of its type, and those of [`Fields::apply`].
pub fn apply<C: Serialize + DeserializeOwned>(
    context: &mut C,
    changes: Vec<Change>,
) -> Result<(), FieldError> {
    let shape = |error: serde_json::Error| FieldError::Shape {
        message: error.to_string(),
    };
    let mut json = serde_json::to_value(&*context).map_err(shape)?;
    json.apply(changes)?;
    *context = serde_json::from_value(json).map_err(shape)?;
    Ok(())
}

impl Fields for Json {
    fn field(&self, path: &FieldPath) -> Option<Value> {
        at(self, path.keys()).cloned().map(Value::from)
    }

    fn apply(&mut self, changes: Vec<Change>) -> Result<(), FieldError> {
        let mut copy = self.clone();
        for change in changes {
            change_one(&mut copy, change)?;
        }
        *self = copy;
        Ok(())
    }
}

/// What stands in a value below some keys.
pub(crate) fn at<'j>(json: &'j Json, keys: &[String]) -> Option<&'j Json> {
    keys.iter().try_fold(json, |json, key| match json {
        Json::Object(map) => map.get(key),
        Json::Array(elements) => elements.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

fn change_one(json: &mut Json, Change { path, value }: Change) -> Result<(), FieldError> {
    let value = match value {
        None => None,
        Some(value) => {
            let kind = value.kind();
            let json = value.into_json();
            Some(json.ok_or_else(|| FieldError::Kind {
                path: path.clone(),
                kind,
            })?)
        }
    };
    put_below(json, path.keys(), value).map_err(|NoMap| FieldError::NoMap(path))
}

/// A key leads into something that has no fields.
pub(crate) struct NoMap;

/// Puts a value below some keys, or removes what is there. Maps that lack are made on the way to a value.
pub(crate) fn put_below(
    json: &mut Json,
    keys: &[String],
    value: Option<Json>,
) -> Result<(), NoMap> {
    let Some((last, way)) = keys.split_last() else {
        *json = value.unwrap_or(Json::Null);
        return Ok(());
    };
    let mut holder = json;
    for key in way {
        let Json::Object(map) = holder else {
            return Err(NoMap);
        };
        holder = match (map.contains_key(key), &value) {
            (false, None) => return Ok(()),
            _ => map
                .entry(key.clone())
                .or_insert_with(|| Json::Object(Map::new())),
        };
    }
    let Json::Object(map) = holder else {
        return Err(NoMap);
    };
    match value {
        Some(value) => {
            map.insert(last.clone(), value);
        }
        None => {
            map.remove(last);
        }
    }
    Ok(())
}
