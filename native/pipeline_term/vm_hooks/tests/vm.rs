//! Runs the Elixir tests beside this file against the library in a VM.
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library that Cargo built for this test, without its extension, as `:erlang.load_nif` wants it.
fn library() -> PathBuf {
    let executable = std::env::current_exe().expect("the test knows its own place");
    let deps = executable
        .parent()
        .expect("an executable lies in a directory");
    let name = format!("libpipeline_vm_hooks{}", std::env::consts::DLL_SUFFIX);
    let built = deps.join(&name);
    assert!(built.exists(), "{} is not there", built.display());
    // A copy of its own, so that a build during the run does not write into a mapped file.
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vm_hooks.so");
    let _ = std::fs::remove_file(&copy);
    std::fs::copy(&built, &copy).expect("the library can be copied");
    copy.with_extension("")
}

#[test]
fn the_elixir_tests_pass() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/hooks.exs");
    let run = Command::new("elixir")
        .arg(script)
        .env("VM_HOOKS_LIBRARY", library())
        .output();
    let output = match run {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: elixir is not installed");
            return;
        }
        Err(error) => panic!("elixir could not be run: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains(" 0 failures"), "{text}");
}
