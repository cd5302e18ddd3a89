//! The JSON Schema of the manifest agrees with what is read.

use jsonschema::Validator;
use pipeline_core::plugin::Manifest;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::any::manifest;

const CHECKED_IN: &str = include_str!("../../../../docs/plugin-manifest.schema.json");

fn validator() -> Validator {
    let schema = serde_json::to_value(Manifest::schema()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn the_schema_in_docs_is_what_the_code_gives() {
    let given = serde_json::to_string_pretty(&Manifest::schema()).unwrap();
    assert!(
        CHECKED_IN.trim_end() == given,
        "cargo run -p pipeline_core --features schema --example manifest_schema > docs/plugin-manifest.schema.json"
    );
    let schema: Value = serde_json::from_str(CHECKED_IN).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
}

#[test]
fn the_examples_are_manifests() {
    let validator = validator();
    for example in [
        include_str!("examples/least.json"),
        include_str!("examples/provider.json"),
        include_str!("examples/redactor.json"),
    ] {
        let written: Value = serde_json::from_str(example).unwrap();
        validator.validate(&written).unwrap();
        let read: Manifest = serde_json::from_value(written).unwrap();
        validator
            .validate(&serde_json::to_value(read).unwrap())
            .unwrap();
    }
}

/// One thing wrong in each.
fn wrong() -> Vec<Value> {
    let with = |key: &str, value: Value| {
        let mut manifest = json!({"id": "a", "version": "1.0.0"});
        manifest[key] = value;
        manifest
    };
    vec![
        json!([]),
        json!({"id": "a"}),
        json!({"version": "1.0.0"}),
        with("version", json!("1.0")),
        with("version", json!("01.0.0")),
        with("version", json!(1)),
        with("id", json!(7)),
        with("id", json!({"text": "a", "symbol": "b"})),
        with("colour", json!("red")),
        with("name", json!(null)),
        with("capabilities", json!("http")),
        with("capabilities", json!([{"values": []}])),
        with("capabilities", json!([{"name": "a", "values": [1.5]}])),
        with("capabilities", json!([{"name": "a", "values": [["b"]]}])),
        with(
            "capabilities",
            json!([{"name": "a", "values": [{"symbol": "a", "more": 1}]}]),
        ),
        with("provides", json!([{"priority": 1}])),
        with("provides", json!([{"type": "a", "prio": 1}])),
        with("dependencies", json!([{}])),
        with("dependencies", json!([{"plugin": null}])),
        with("dependencies", json!([{"plugin": "a", "capability": "b"}])),
        with(
            "dependencies",
            json!([{"plugin": "a", "version": "~> 1.0"}]),
        ),
        with("dependencies", json!([{"plugin": "a", "optional": 1}])),
        with("hooks", json!([{"kind": "beside", "point": "a"}])),
        with("hooks", json!([{"kind": "before"}])),
        with(
            "hooks",
            json!([{"kind": "before", "point": "a", "priority": "high"}]),
        ),
        with(
            "hooks",
            json!([{"kind": "before", "point": "a", "on_error": "raise"}]),
        ),
        with(
            "hooks",
            json!([{"kind": "before", "point": "a", "before": "b"}]),
        ),
    ]
}

#[test]
fn schema_and_code_refuse_the_same() {
    let validator = validator();
    for wrong in wrong() {
        assert!(!validator.is_valid(&wrong), "the schema takes {wrong}");
        let read = serde_json::from_value::<Manifest>(wrong.clone());
        assert!(read.is_err(), "the code takes {wrong}");
    }
}

/// A manifest with one value somewhere put out, or exchanged for another.
fn damaged() -> impl Strategy<Value = Value> {
    let other = prop_oneof![
        Just(None),
        Just(Some(json!(null))),
        Just(Some(json!(7))),
        Just(Some(json!("text"))),
        Just(Some(json!({"text": "a"}))),
        Just(Some(json!({"plugin": "a"}))),
        Just(Some(json!([]))),
    ];
    (manifest(), any::<prop::sample::Index>(), other).prop_map(|(manifest, at, other)| {
        let mut written = serde_json::to_value(manifest).unwrap();
        let mut pointers = Vec::new();
        let mut open = vec![(String::new(), &written)];
        while let Some((pointer, value)) = open.pop() {
            match value {
                Value::Object(fields) => {
                    for (key, value) in fields {
                        open.push((format!("{pointer}/{key}"), value));
                    }
                }
                Value::Array(values) => {
                    for (index, value) in values.iter().enumerate() {
                        open.push((format!("{pointer}/{index}"), value));
                    }
                }
                _ => {}
            }
            pointers.push(pointer);
        }
        let pointer = at.get(&pointers);
        let place = written.pointer_mut(pointer).unwrap();
        if let Some(other) = other {
            *place = other;
        } else if let Some((parent, key)) = pointer.rsplit_once('/') {
            match written.pointer_mut(parent).unwrap() {
                Value::Object(fields) => drop(fields.remove(key)),
                Value::Array(values) => drop(values.remove(key.parse().unwrap())),
                _ => {}
            }
        }
        written
    })
}

proptest! {
    #[test]
    fn every_manifest_fits_the_schema(manifest in manifest()) {
        let written = serde_json::to_value(manifest).unwrap();
        let validator = validator();
        prop_assert!(validator.validate(&written).is_ok());
    }

    #[test]
    fn the_schema_takes_what_the_code_takes(damaged in damaged()) {
        let read = serde_json::from_value::<Manifest>(damaged.clone());
        prop_assert_eq!(validator().is_valid(&damaged), read.is_ok(), "{}: {:?}", damaged, read);
    }
}
