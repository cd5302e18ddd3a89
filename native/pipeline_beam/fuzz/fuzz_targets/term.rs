//! A term, version byte given. What decodes must print, hash and compare within the stack.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use pipeline_beam::{Limits, decode};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    };
    if let Ok(term) = decode(&[&[131], bytes].concat(), &limits) {
        assert_eq!(term.clone(), term);
        assert!(!format!("{term:?}").is_empty());
        assert!(HashSet::from([&term]).contains(&term));
    }
});
