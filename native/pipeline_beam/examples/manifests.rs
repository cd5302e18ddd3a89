//! Prints the plugins below the paths given, what could not be read, and how long it took.
//!
//! `cargo run --release -p pipeline_beam --example manifests -- _build/dev/lib`

use std::io::Write;
use std::time::Instant;

use pipeline_beam::{ScanOptions, scan};

fn main() -> std::io::Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let started = Instant::now();
    let scan = scan(&paths, &ScanOptions::default(), |_| ());
    let took = started.elapsed();
    let mut out = std::io::stdout().lock();
    for file in &scan.found {
        let missing = file
            .found
            .missing_callbacks
            .iter()
            .map(|(name, arity)| format!(" without {name}/{arity}"));
        writeln!(
            out,
            "{}  {}{}",
            file.found.module,
            file.path.display(),
            missing.collect::<String>()
        )?;
    }
    for (path, error) in &scan.unreadable {
        writeln!(out, "{}  {}: {error}", path.display(), error.reason())?;
    }
    writeln!(
        out,
        "{} plugins, {} unreadable, {took:?}",
        scan.found.len(),
        scan.unreadable.len()
    )
}
