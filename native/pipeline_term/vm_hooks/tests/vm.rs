//! Runs the Elixir tests beside this file against the library in a VM.
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library that Cargo built for this test, copied to where the application `vm_hooks` of this script has
/// it; the application's directory.
fn application(script: &str) -> PathBuf {
    let executable = std::env::current_exe().expect("the test knows its own place");
    let deps = executable
        .parent()
        .expect("an executable lies in a directory");
    let name = format!("libpipeline_vm_hooks{}", std::env::consts::DLL_SUFFIX);
    let built = deps.join(&name);
    assert!(built.exists(), "{} is not there", built.display());
    // A copy of its own, so that a build during the run does not write into a mapped file.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(script)
        .join("vm_hooks");
    let native = directory.join("priv/native");
    for directory in [&native, &directory.join("ebin")] {
        std::fs::create_dir_all(directory).expect("a directory can be made");
    }
    let copy = native.join("vm_hooks.so");
    let _ = std::fs::remove_file(&copy);
    std::fs::copy(&built, &copy).expect("the library can be copied");
    directory
}

/// Runs a script, unless there is no Elixir.
fn run(script: &str) {
    let application = application(script);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vm")
        .join(script);
    let run = Command::new("elixir")
        .arg(path)
        .env("VM_HOOKS_LIBRARY", application.join("priv/native/vm_hooks"))
        .env("VM_HOOKS_APP", application)
        .env("RUST_BACKTRACE", "0")
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
    // ExUnit says it in two ways: `28 tests, 0 failures`, and from Elixir 1.20 on `Result: 28 passed`.
    assert!(
        text.contains(" 0 failures") || text.contains(" passed"),
        "{text}"
    );
}

#[test]
fn hooks_do_their_work() {
    run("hooks.exs");
}

#[test]
fn hooks_wait_and_wrap_in_chains() {
    run("waiting.exs");
}

#[test]
fn segments_run_where_they_belong() {
    run("schedule.exs");
}
