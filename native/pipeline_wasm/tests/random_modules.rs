//! Modules that nobody wrote: each is refused, or loaded and called, and nothing panics. `PIPELINE_WASM_MODULES` says how
//! many; `bin/verify wasm` takes 100,000.

use arbitrary::Unstructured;
use pipeline_wasm::{Grants, Guest};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::json;
use wasm_smith::{Config, Module};

/// The section of a manifest with one hook, whose function is called `hook`.
fn section() -> Vec<u8> {
    let manifest = json!({
        "id": "guest", "version": "1.0.0",
        "hooks": [{"kind": "before", "point": "publish", "export": "hook"}]
    });
    let mut content = vec![15];
    content.extend(b"pipeline-plugin");
    content.extend(manifest.to_string().bytes());
    let mut section = vec![0];
    let mut length = content.len();
    while length >= 0x80 {
        section.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    section.push(u8::try_from(length).unwrap());
    section.extend(content);
    section
}

/// What a module has to export so that it is loaded.
fn exports() -> Vec<u8> {
    let wat = r#"(module (memory (export "memory") 1)
        (func (export "pipeline_alloc") (param i32) (result i32) unreachable)
        (func (export "hook") (result i32) unreachable))"#;
    wat::parse_str(wat).unwrap()
}

/// What a module may import.
fn imports() -> Vec<u8> {
    let wat = r#"(module
        (import "pipeline" "field_get" (func (param i32 i32 i32) (result i32)))
        (import "pipeline" "field_put" (func (param i32 i32 i32 i32)))
        (import "pipeline" "field_remove" (func (param i32 i32)))
        (import "pipeline" "refuse" (func (param i32 i32)))
        (import "pipeline" "clock" (func (result i64))))"#;
    wat::parse_str(wat).unwrap()
}

#[test]
fn random_modules_are_refused_or_end() {
    let modules =
        std::env::var("PIPELINE_WASM_MODULES").map_or(300, |count| count.parse().unwrap());
    // The stack of a dirty scheduler.
    let stack = std::thread::Builder::new().stack_size(320 * 1024);
    let runs = stack.spawn(move || {
        let loaded = (0..modules).filter(|seed| try_module(*seed));
        u32::try_from(loaded.count()).unwrap()
    });
    let loaded = runs
        .unwrap()
        .join()
        .expect("no module brings the host down");
    println!("{modules} modules, {loaded} of them loaded and called");
    assert!(
        loaded > modules / 10,
        "{loaded} of {modules} were loaded: hardly a test"
    );
}

fn try_module(seed: u32) -> bool {
    let mut seeds = [0; 32];
    seeds[..4].copy_from_slice(&seed.to_le_bytes());
    let mut bytes = vec![0; 4096];
    TestRng::from_seed(RngAlgorithm::ChaCha, &seeds).fill_bytes(&mut bytes);
    let mut random = Unstructured::new(&bytes);
    let config = Config {
        exports: Some(exports()),
        // Half of them import anything.
        available_imports: seed.is_multiple_of(2).then(imports),
        max_memories: 1,
        max_memory32_bytes: 1 << 22,
        memory64_enabled: false,
        custom_page_sizes_enabled: false,
        shared_everything_threads_enabled: false,
        threads_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: seed.is_multiple_of(3),
        wide_arithmetic_enabled: false,
        allow_start_export: seed.is_multiple_of(5),
        ..Config::default()
    };
    let Ok(module) = Module::new(config, &mut random) else {
        return false;
    };
    let mut module = module.to_bytes();
    module.extend(section());
    let grants = Grants::none().clock().fuel(200_000).memory(1 << 20);
    let Ok(guest) = Guest::from_bytes(&module, grants) else {
        return false;
    };
    for _ in 0..3 {
        let _: Result<_, _> = guest.call(0, &mut json!({"a": [1, 2], "b": "text"}));
    }
    true
}
