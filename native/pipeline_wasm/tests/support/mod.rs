//! Guests of the tests, written by hand.

#![allow(dead_code, reason = "each test uses some of it")]

use pipeline_wasm::{Failure, Grants, Guest};
use serde_json::{Value, json};

/// A module with one before hook on `publish`, whose function is `body`, and with these other parts.
pub(crate) fn module(asks: &Value, parts: &str, body: &str) -> Vec<u8> {
    let manifest = json!({
        "id": "guest",
        "version": "1.0.0",
        "hooks": [{"kind": "before", "point": "publish", "export": "hook"}],
        "asks": asks
    });
    with_manifest(
        &manifest,
        &format!("{parts} (func (export \"hook\") (result i32) {body})"),
    )
}

/// A module with this manifest, a memory of one page, and memory to give from 4096 on.
pub(crate) fn with_manifest(manifest: &Value, parts: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module
          {parts}
          (memory (export "memory") 1)
          (global $free (mut i32) (i32.const 4096))
          (func (export "pipeline_alloc") (param $length i32) (result i32)
            (global.get $free)
            (global.set $free (i32.add (global.get $free) (local.get $length))))
          (@custom "pipeline-plugin" {:?}))"#,
        manifest.to_string()
    );
    wat::parse_str(wat).expect("a module of the tests is one")
}

/// The imports that need no grant.
pub(crate) const IMPORTS: &str = r#"
    (import "pipeline" "field_get" (func $field_get (param i32 i32 i32) (result i32)))
    (import "pipeline" "field_put" (func $field_put (param i32 i32 i32 i32)))
    (import "pipeline" "field_remove" (func $field_remove (param i32 i32)))
    (import "pipeline" "field_kind" (func $field_kind (param i32 i32) (result i32)))
    (import "pipeline" "config_get" (func $config_get (param i32 i32 i32) (result i32)))
    (import "pipeline" "answer" (func $answer (param i32 i32)))
    (import "pipeline" "refuse" (func $refuse (param i32 i32)))
"#;

/// Calls the only hook of a module, which gets what it asks for.
pub(crate) fn call(module: &[u8], context: &mut Value) -> Result<pipeline_wasm::Ending, Failure> {
    guest(module).call(0, context)
}

/// A guest that gets what it asks for.
pub(crate) fn guest(module: &[u8]) -> Guest {
    let grants = Grants::asked_by(module).expect("the manifest can be read");
    Guest::from_bytes(module, grants).expect("the module can be loaded")
}
