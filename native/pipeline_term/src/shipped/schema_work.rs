use serde_json::{Map, Value};
use std::collections::HashMap;
use thiserror::Error;

/// A JSON Schema whose work on a value can be told.
///
/// The validator has no bound of its own. This walks schema and value as it does, without the checks, and
/// stops counting at [`MAX_VISITS`]: never more than a part of the validation, and the same order of time.
pub(super) struct Schema {
    root: Value,
    /// Where `$anchor` and `$id: "#name"` stand, as JSON pointers.
    anchors: HashMap<String, String>,
}

/// How often a subschema may be applied to a value in one validation.
const MAX_VISITS: usize = 200_000;
/// How deep subschemas may be applied inside each other; the stack of a validation is 16 MiB.
const MAX_DEPTH: usize = 512;
/// How many values a schema may have.
const MAX_SIZE: usize = 20_000;

/// Why a schema is not taken.
#[derive(Debug, Error)]
pub(super) enum NotTaken {
    #[error("the schema has more than {MAX_SIZE} values; give a smaller one")]
    TooLarge,
    #[error("{0} is not supported; use $ref with a pointer or an anchor in the schema")]
    Keyword(&'static str),
    #[error("a $id inside the schema is not supported; take it out, and refer by pointers")]
    InnerId,
    #[error("$ref {0:?} refers to nothing in the schema; other documents are not followed")]
    Reference(String),
}

/// A validation that would take too long.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum TooMuch {
    #[error(
        "the schema and the value need more than {MAX_VISITS} steps; simplify the schema or validate a part of the value"
    )]
    Visits,
    #[error(
        "the schema applies more than {MAX_DEPTH} subschemas inside each other; a $ref may lead to itself"
    )]
    Depth,
}

/// Keywords whose subschema applies to the same value.
const IN_PLACE: [&str; 4] = ["not", "if", "then", "else"];
/// Those with a list of such.
const IN_PLACE_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Those with a map of such.
const IN_PLACE_MAPS: [&str; 2] = ["dependentSchemas", "dependencies"];
/// Keywords whose subschema applies to each property.
const EACH_PROPERTY: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
/// Keywords whose subschema applies to each element.
const EACH_ELEMENT: [&str; 4] = ["items", "additionalItems", "contains", "unevaluatedItems"];

impl Schema {
    pub(super) fn new(root: Value) -> Result<Self, NotTaken> {
        let mut schema = Self {
            anchors: HashMap::new(),
            root: Value::Null,
        };
        let mut references = Vec::new();
        let mut size = 0;
        schema.index(&root, &mut String::new(), &mut references, &mut size)?;
        schema.root = root;
        match references
            .into_iter()
            .find(|reference| schema.resolve(reference).is_none())
        {
            Some(unknown) => Err(NotTaken::Reference(unknown)),
            None => Ok(schema),
        }
    }

    pub(super) fn value(&self) -> &Value {
        &self.root
    }

    fn index(
        &mut self,
        value: &Value,
        pointer: &mut String,
        references: &mut Vec<String>,
        size: &mut usize,
    ) -> Result<(), NotTaken> {
        *size += 1;
        if *size > MAX_SIZE {
            return Err(NotTaken::TooLarge);
        }
        let length = pointer.len();
        match value {
            Value::Object(entries) => {
                for keyword in ["$dynamicRef", "$recursiveRef"] {
                    if entries.get(keyword).is_some_and(Value::is_string) {
                        return Err(NotTaken::Keyword(keyword));
                    }
                }
                if let Some(Value::String(reference)) = entries.get("$ref") {
                    references.push(reference.clone());
                }
                for (keyword, place) in [("$anchor", ""), ("$dynamicAnchor", ""), ("$id", "#")] {
                    let Some(Value::String(name)) = entries.get(keyword) else {
                        continue;
                    };
                    match name.strip_prefix(place) {
                        Some(name) => {
                            self.anchors.insert(name.to_owned(), pointer.clone());
                        }
                        None if pointer.is_empty() => {}
                        None => return Err(NotTaken::InnerId),
                    }
                }
                for (key, inner) in entries {
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                    self.index(inner, pointer, references, size)?;
                    pointer.truncate(length);
                }
            }
            Value::Array(elements) => {
                for (number, inner) in elements.iter().enumerate() {
                    pointer.push('/');
                    pointer.push_str(&number.to_string());
                    self.index(inner, pointer, references, size)?;
                    pointer.truncate(length);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        let own = self.root.get("$id").and_then(Value::as_str).unwrap_or("");
        let fragment = match reference.strip_prefix('#') {
            Some(fragment) => fragment,
            None => match reference.strip_prefix(own.trim_end_matches('#'))? {
                "" => "",
                rest if !own.is_empty() => rest.strip_prefix('#')?,
                _ => return None,
            },
        };
        let pointer = match fragment {
            "" => "",
            pointer if pointer.starts_with('/') => pointer,
            anchor => self.anchors.get(anchor)?,
        };
        self.root.pointer(&decoded(pointer))
    }

    /// Counts the work of a validation. To be called where the stack is deep.
    pub(super) fn work(&self, value: &Value) -> Result<(), TooMuch> {
        let mut visits = MAX_VISITS;
        self.visit(&self.root, value, MAX_DEPTH, &mut visits)
    }

    fn visit(
        &self,
        schema: &Value,
        value: &Value,
        depth: usize,
        left: &mut usize,
    ) -> Result<(), TooMuch> {
        let below = depth.checked_sub(1).ok_or(TooMuch::Depth)?;
        spend(left, 1)?;
        let Value::Object(keywords) = schema else {
            return Ok(());
        };
        spend(left, compared(keywords, value))?;
        // For each property or element that no keyword has looked at, all are asked again.
        for _ in 0..=unevaluated(keywords, value) {
            self.visit_in_place(keywords, value, below, left)?;
        }
        match value {
            Value::Object(properties) => self.visit_properties(keywords, properties, below, left),
            Value::Array(elements) => self.visit_elements(keywords, elements, below, left),
            _ => Ok(()),
        }
    }

    fn visit_in_place(
        &self,
        keywords: &Map<String, Value>,
        value: &Value,
        below: usize,
        left: &mut usize,
    ) -> Result<(), TooMuch> {
        if let Some(target) = keywords
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| self.resolve(reference))
        {
            self.visit(target, value, below, left)?;
        }
        for keyword in IN_PLACE {
            if let Some(inner) = keywords.get(keyword) {
                self.visit(inner, value, below, left)?;
            }
        }
        for keyword in IN_PLACE_LISTS {
            for inner in list(keywords, keyword) {
                self.visit(inner, value, below, left)?;
            }
        }
        for keyword in IN_PLACE_MAPS {
            for (_, inner) in map(keywords, keyword) {
                self.visit(inner, value, below, left)?;
            }
        }
        Ok(())
    }

    fn visit_properties(
        &self,
        keywords: &Map<String, Value>,
        properties: &Map<String, Value>,
        below: usize,
        left: &mut usize,
    ) -> Result<(), TooMuch> {
        for (name, inner) in map(keywords, "properties") {
            if let Some(value) = properties.get(name) {
                self.visit(inner, value, below, left)?;
            }
        }
        for (_, inner) in map(keywords, "patternProperties") {
            for (name, value) in properties {
                spend(left, name.len() / 256)?;
                self.visit(inner, value, below, left)?;
            }
        }
        for keyword in EACH_PROPERTY {
            if let Some(inner) = keywords.get(keyword) {
                for value in properties.values() {
                    self.visit(inner, value, below, left)?;
                }
            }
        }
        if let Some(inner) = keywords.get("propertyNames") {
            for name in properties.keys() {
                self.visit(inner, &Value::String(name.clone()), below, left)?;
            }
        }
        Ok(())
    }

    fn visit_elements(
        &self,
        keywords: &Map<String, Value>,
        elements: &[Value],
        below: usize,
        left: &mut usize,
    ) -> Result<(), TooMuch> {
        for keyword in ["prefixItems", "items"] {
            for (inner, value) in list(keywords, keyword).iter().zip(elements) {
                self.visit(inner, value, below, left)?;
            }
        }
        for keyword in EACH_ELEMENT {
            if let Some(inner) = keywords.get(keyword).filter(|inner| !inner.is_array()) {
                for value in elements {
                    self.visit(inner, value, below, left)?;
                }
            }
        }
        Ok(())
    }
}

/// The work of comparing a value with those that a schema names, or its elements with each other.
fn compared(keywords: &Map<String, Value>, value: &Value) -> usize {
    let mut steps = list(keywords, "enum").len() + list(keywords, "required").len();
    if keywords.contains_key("enum") || keywords.contains_key("const") {
        steps += size(value);
    }
    if keywords.get("uniqueItems") == Some(&Value::Bool(true)) {
        steps += size(value).saturating_mul(4);
    }
    if let Value::String(text) = value {
        steps += text.len() / 256;
    }
    steps
}

fn unevaluated(keywords: &Map<String, Value>, value: &Value) -> usize {
    match value {
        Value::Object(properties) if keywords.contains_key("unevaluatedProperties") => {
            properties.len()
        }
        Value::Array(elements) if keywords.contains_key("unevaluatedItems") => elements.len(),
        _ => 0,
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(size).sum::<usize>(),
        Value::Object(entries) => 1 + entries.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn spend(left: &mut usize, steps: usize) -> Result<(), TooMuch> {
    *left = left.checked_sub(steps).ok_or(TooMuch::Visits)?;
    Ok(())
}

fn list<'v>(keywords: &'v Map<String, Value>, keyword: &str) -> &'v [Value] {
    keywords
        .get(keyword)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn map<'v>(
    keywords: &'v Map<String, Value>,
    keyword: &str,
) -> impl Iterator<Item = (&'v String, &'v Value)> {
    keywords
        .get(keyword)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The pointer in a URI's fragment.
fn decoded(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match (first, after) {
            (b'%', [high, low, others @ ..]) if hex(&[*high, *low]).is_some() => {
                bytes.extend(hex(&[*high, *low]));
                rest = others;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{NotTaken, Schema, TooMuch};
    use serde_json::{Value, json};

    fn doubled(levels: usize) -> Value {
        let mut definitions = json!({"a0": {"type": "integer"}});
        for level in 1..=levels {
            let below = format!("#/$defs/a{}", level - 1);
            definitions[format!("a{level}")] = json!({"allOf": [{"$ref": below}, {"$ref": below}]});
        }
        json!({"$defs": definitions, "$ref": format!("#/$defs/a{levels}")})
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!({"c": inner}))
    }

    fn work(schema: Value, value: &Value) -> Result<(), TooMuch> {
        Schema::new(schema).unwrap().work(value)
    }

    #[test]
    fn references_that_double_are_too_much() {
        assert_eq!(work(doubled(10), &json!(1)), Ok(()));
        assert_eq!(work(doubled(40), &json!(1)), Err(TooMuch::Visits));
    }

    #[test]
    fn references_that_double_with_the_value_are_too_much() {
        let schema = json!({"properties": {"c": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}});
        assert_eq!(work(schema.clone(), &nested(5)), Ok(()));
        assert_eq!(work(schema, &nested(30)), Err(TooMuch::Visits));
    }

    #[test]
    fn a_reference_to_itself_is_too_deep() {
        assert_eq!(work(json!({"$ref": "#"}), &json!(1)), Err(TooMuch::Depth));
    }

    #[test]
    fn a_recursive_schema_follows_its_value() {
        let tree = json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#"}}
            }
        });
        let leaf = json!({"name": "leaf"});
        let value = json!({"name": "root", "children": vec![leaf; 10_000]});
        assert_eq!(work(tree, &value), Ok(()));
    }

    #[test]
    fn references_are_found_by_pointer_anchor_and_own_name() {
        for reference in [
            "#/$defs/a~1b",
            "#here",
            "x:y#/$defs/a~1b",
            "#/%24defs/a~1b",
            "x:y",
        ] {
            let schema = json!({
                "$id": "x:y",
                "$defs": {"a/b": {"$anchor": "here"}},
                "properties": {"c": {"$ref": reference}}
            });
            assert!(Schema::new(schema).is_ok(), "{reference}");
        }
    }

    #[test]
    fn what_cannot_be_counted_is_not_taken() {
        let mistake = |schema| Schema::new(schema).err().unwrap();
        assert!(matches!(
            mistake(json!({"$ref": "#/none"})),
            NotTaken::Reference(_)
        ));
        assert!(matches!(
            mistake(json!({"$ref": "https://example.org/schema.json"})),
            NotTaken::Reference(_)
        ));
        assert!(matches!(
            mistake(json!({"$dynamicRef": "#x"})),
            NotTaken::Keyword(_)
        ));
        assert!(matches!(
            mistake(json!({"properties": {"a": {"$id": "http://b"}}})),
            NotTaken::InnerId
        ));
        assert!(matches!(
            mistake(json!(vec![1; 20_001])),
            NotTaken::TooLarge
        ));
    }
}
