//! A schema and a value, as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|given: (&str, &str)| {
    pipeline_term::fuzz::json_schema(given.0, given.1);
});
