//! What is loaded and unloaded leaves nothing behind: its code, its instances, what its calls kept.
//! `PIPELINE_WASM_CYCLES` says how often; `bin/verify wasm` takes 10,000.

mod support;

use std::alloc::System;

use pipeline_wasm::{Grants, Guest, Isolation};
use serde_json::{Value, json};
use stats_alloc::{Region, StatsAlloc};
use support::{IMPORTS, module};

#[global_allocator]
static ALLOCATOR: StatsAlloc<System> = StatsAlloc::system();

/// Writes, and then does what its configuration says: nothing, or a trap while another change is kept.
fn guest() -> Vec<u8> {
    let parts = format!("{IMPORTS} (data (i32.const 0) \"/seen\") (data (i32.const 16) \"/trap\")");
    let body = "(call $field_put (i32.const 0) (i32.const 5) (i32.const 1) (i32.const 64))
        (if (call $config_get (i32.const 16) (i32.const 5) (i32.const 64)) (then unreachable))
        (i32.const 0)";
    module(&json!({"write": ["/seen"]}), &parts, body)
}

fn cycle(module: &[u8], config: &Value, isolation: Isolation) {
    let grants = Grants::asked_by(module).unwrap();
    let guest = Guest::from_bytes(module, grants).unwrap();
    let guest = guest.config(config.clone()).isolation(isolation);
    for _ in 0..3 {
        assert_eq!(guest.call(0, &mut json!({})).is_ok(), config.is_null());
    }
    // One that is refused leaves nothing either.
    assert!(Guest::from_bytes(module, Grants::none()).is_err());
}

#[test]
fn loading_and_unloading_leaves_nothing_behind() {
    let cycles = std::env::var("PIPELINE_WASM_CYCLES").map_or(100, |count| count.parse().unwrap());
    let module = guest();
    let turns = |count: usize| {
        for turn in 0..count {
            let config = [json!(null), json!({"trap": 1})];
            let isolation = [Isolation::Plugin, Isolation::Run];
            cycle(&module, &config[turn % 2], isolation[turn / 2 % 2]);
        }
    };
    turns(50);
    let region = Region::new(&ALLOCATOR);
    turns(cycles);
    let change = region.change();
    // What grows in place counts as allocated too.
    let kept = i128::try_from(change.bytes_allocated).unwrap()
        - i128::try_from(change.bytes_deallocated).unwrap();
    println!("{cycles} cycles keep {kept} bytes");
    assert_eq!(kept, 0, "{cycles} cycles keep {kept} bytes");
}
