//! A pattern, and the bytes that it is searched for in.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|given: (&str, &[u8])| {
    pipeline_term::fuzz::redact(given.0, given.1);
});
