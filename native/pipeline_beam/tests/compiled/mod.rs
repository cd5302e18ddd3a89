//! BEAM files that the installed Elixir compiled, once per test program.
#![allow(dead_code, reason = "each test program uses some")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The directory of the files that `fixtures.exs` writes; `None`, said aloud, without an Elixir.
pub(crate) fn directory() -> Option<PathBuf> {
    static DIRECTORY: OnceLock<Option<TempDir>> = OnceLock::new();
    let compiled = DIRECTORY.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compiled/fixtures.exs");
        let directory = tempfile::tempdir().expect("a temporary directory");
        match Command::new("elixir")
            .arg(script)
            .arg(directory.path())
            .output()
        {
            Ok(output) if output.status.success() => Some(directory),
            Ok(output) => panic!("{script}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                eprintln!("SKIPPED: no elixir to compile fixtures with: {error}");
                None
            }
        }
    });
    compiled
        .as_ref()
        .map(|directory| directory.path().to_owned())
}

/// The bytes of one of the files.
pub(crate) fn file(name: &str) -> Option<Vec<u8>> {
    let path = directory()?.join(name);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
