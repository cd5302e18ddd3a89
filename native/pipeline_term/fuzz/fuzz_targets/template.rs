//! A template, and a text that it is given in a list and a map.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|given: (&str, &str)| {
    pipeline_term::fuzz::template(given.0, given.1);
});
