//! A text that is summarised, and whose tokens are counted.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    pipeline_term::fuzz::texts(text);
});
