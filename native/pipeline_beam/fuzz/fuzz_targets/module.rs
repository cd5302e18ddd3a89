//! A whole BEAM file: container, attributes, tables, gzip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipeline_beam::{Limits, Term, read_module};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    };
    if let Ok(Some(found)) = read_module(bytes, &limits) {
        assert!(matches!(found.manifest, Term::Map(_)));
    }
});
