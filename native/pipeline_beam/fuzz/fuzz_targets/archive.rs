//! An `.ez` archive: its directory, its entries, the modules in them, and their code.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipeline_beam::{Limits, ScanOptions, read_code, scan};

fuzz_target!(|bytes: &[u8]| {
    // A scan takes paths; one file per fuzzing process.
    let name = format!("pipeline_beam_fuzz_{}.ez", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    let limits = Limits {
        inflated_bytes: 1 << 20,
        archive_bytes: 4 << 20,
        ..Limits::default()
    };
    let options = ScanOptions {
        limits,
        threads: 1,
        ..ScanOptions::default()
    };
    let scan = scan(&[&path], &options, |_| ());
    for file in scan.found {
        assert!(file.path.starts_with(&path));
        // The modules beside it may be beyond the limits; the plugin itself is the one that was found.
        if let Err(error) = read_code(&file.path, &file.found.digest, &limits) {
            assert_ne!(error.reason(), "changed");
        }
    }
});
