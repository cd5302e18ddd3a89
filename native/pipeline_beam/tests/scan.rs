//! Scanning directories, patterns and archives.

mod compiled;
mod encoder;

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use encoder::{attributes, plugin_file};
use pipeline_beam::{Limits, Progress, Scan, ScanOptions, scan};
use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};

/// A directory with plugins at the paths given.
fn tree(paths: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for path in paths {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, plugin()).unwrap();
    }
    directory
}

fn plugin() -> Vec<u8> {
    plugin_file(&attributes(b"t\0\0\0\0"))
}

fn scanned<P: AsRef<Path>>(paths: &[P]) -> Scan {
    scan(paths, &ScanOptions::default(), |_| ())
}

/// The finds, below `base`.
fn found(scan: &Scan, base: &Path) -> Vec<String> {
    let below = |path: &Path| {
        path.strip_prefix(base)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    scan.found.iter().map(|file| below(&file.path)).collect()
}

fn reasons(scan: &Scan) -> Vec<(PathBuf, &'static str)> {
    scan.unreadable
        .iter()
        .map(|(path, error)| (path.clone(), error.reason()))
        .collect()
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_directory_is_an_ebin_an_application_or_many() {
    let files = [
        "a.beam",
        "app/ebin/b.beam",
        "app/other/c.beam",
        "app/ebin/deep/d.beam",
        "ebin/e.beam",
        "note.txt",
    ];
    let directory = tree(&files);
    let base = directory.path();
    let scan = scanned(&[base]);
    assert_eq!(
        found(&scan, base),
        ["a.beam", "app/ebin/b.beam", "ebin/e.beam"]
    );
    assert_eq!(reasons(&scan), []);
    assert_eq!(
        found(&scanned(&[base.join("app")]), base),
        ["app/ebin/b.beam"]
    );
    assert_eq!(
        found(&scanned(&[base.join("app/ebin")]), base),
        ["app/ebin/b.beam"]
    );
    assert_eq!(
        found(&scanned(&[base.join("app/other/c.beam")]), base),
        ["app/other/c.beam"]
    );
}

#[test]
fn the_result_is_sorted_and_each_path_read_once() {
    let directory = tree(&["z/ebin/a.beam", "a/ebin/z.beam", "m/ebin/m.beam"]);
    let base = directory.path();
    let expected = ["a/ebin/z.beam", "m/ebin/m.beam", "z/ebin/a.beam"];
    let many = [
        base.join("z"),
        base.join("*/ebin"),
        base.to_owned(),
        base.join("m/ebin/m.beam"),
    ];
    for threads in [1, 2, 7] {
        let options = ScanOptions {
            threads,
            ..ScanOptions::default()
        };
        assert_eq!(found(&scan(&many, &options, |_| ()), base), expected);
    }
}

#[test]
fn patterns_are_expanded() {
    let files = [
        "a/ebin/x.beam",
        "b/ebin/y.beam",
        "c/lib/z.beam",
        ".hidden/ebin/h.beam",
    ];
    let directory = tree(&files);
    let base = directory.path();
    let expand = |pattern: &str| {
        let scan = scanned(&[base.join(pattern)]);
        assert_eq!(reasons(&scan), []);
        found(&scan, base)
    };
    assert_eq!(expand("*/ebin"), ["a/ebin/x.beam", "b/ebin/y.beam"]);
    assert_eq!(expand("[bc]/*"), ["b/ebin/y.beam", "c/lib/z.beam"]);
    assert_eq!(expand("{a,c}/*/?.beam"), ["a/ebin/x.beam", "c/lib/z.beam"]);
    assert_eq!(
        expand("**/*.beam"),
        ["a/ebin/x.beam", "b/ebin/y.beam", "c/lib/z.beam"]
    );
    let deep = ["a/ebin/x.beam", "b/ebin/y.beam", "c/lib/z.beam"];
    assert_eq!(expand("**/**/*.beam"), deep);
    assert_eq!(expand("a/../b/**"), ["a/../b/ebin/y.beam"]);
    assert_eq!(expand(".h*/ebin"), [".hidden/ebin/h.beam"]);
    assert_eq!(expand("no*/ebin"), [""; 0]);
    let scan = scanned(&[base.join("{a/ebin")]);
    assert_eq!(reasons(&scan), [(base.join("{a/ebin"), "pattern")]);
}

#[test]
fn a_name_with_wildcard_characters_is_itself_where_it_exists() {
    let directory = tree(&["[ab]/x.beam", "a/y.beam"]);
    let base = directory.path();
    assert_eq!(found(&scanned(&[base.join("[ab]")]), base), ["[ab]/x.beam"]);
}

#[test]
fn what_cannot_be_read_is_reported_and_stops_nothing() {
    let directory = tree(&["good.beam"]);
    let base = directory.path();
    fs::write(base.join("cut.beam"), &plugin()[..40]).unwrap();
    fs::write(base.join("empty.beam"), "").unwrap();
    fs::write(base.join("bad.ez"), "no archive").unwrap();
    fs::write(base.join("note.txt"), "").unwrap();
    fs::create_dir(base.join("directory.beam")).unwrap();
    let scan = scanned(&[base, &base.join("missing"), &base.join("note.txt")]);
    assert_eq!(found(&scan, base), ["good.beam"]);
    let expected = [
        ("bad.ez", "archive"),
        ("cut.beam", "truncated"),
        ("directory.beam", "not_a_regular_file"),
        ("empty.beam", "not_a_beam_file"),
        ("missing", "not_found"),
        ("note.txt", "not_a_plugin_path"),
    ];
    assert_eq!(
        reasons(&scan),
        expected.map(|(name, reason)| (base.join(name), reason))
    );
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_and_pipes_are_safe() {
    use std::os::unix::fs::symlink;
    let directory = tree(&["app/ebin/a.beam"]);
    let base = directory.path();
    symlink(base, base.join("app/ebin/up")).unwrap();
    symlink("loop", base.join("loop")).unwrap();
    symlink("gone.beam", base.join("dangling.beam")).unwrap();
    symlink("app", base.join("link")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(base.join("pipe.beam"))
        .status();
    let pipe = made.is_ok_and(|status| status.success());
    let scan = scanned(&[base.to_owned(), base.join("**/*.beam")]);
    assert_eq!(found(&scan, base), ["app/ebin/a.beam", "link/ebin/a.beam"]);
    let mut expected = vec![
        (base.join("dangling.beam"), "not_found"),
        (base.join("loop/ebin"), "io"),
    ];
    if pipe {
        expected.push((base.join("pipe.beam"), "not_a_regular_file"));
    }
    assert_eq!(reasons(&scan), expected);
}

#[test]
fn archives_are_read_entry_by_entry() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path();
    let entries: [(&str, &[u8]); 4] = [
        ("x-1.0/ebin/b.beam", &plugin()),
        ("/x-1.0/ebin/a.beam", &plugin()),
        ("x-1.0/ebin/cut.beam", &plugin()[..30]),
        ("x-1.0/priv/note.txt", b"note"),
    ];
    fs::write(base.join("x-1.0.ez"), archive(&entries)).unwrap();
    for path in [base.to_owned(), base.join("x-1.0.ez"), base.join("*.ez")] {
        let scan = scanned(&[path]);
        let expected = ["x-1.0.ez/x-1.0/ebin/a.beam", "x-1.0.ez/x-1.0/ebin/b.beam"];
        assert_eq!(found(&scan, base), expected);
        assert_eq!(
            reasons(&scan),
            [(base.join("x-1.0.ez/x-1.0/ebin/cut.beam"), "truncated")]
        );
    }
}

#[test]
fn an_archive_that_erlang_wrote_is_read() {
    let Some(fixtures) = compiled::directory() else {
        return;
    };
    let scan = scanned(&[fixtures.join("fixture-1.0.ez")]);
    let inner = "fixture-1.0.ez/fixture-1.0/ebin/Elixir.Fixture.Plugin.beam";
    assert_eq!(found(&scan, &fixtures), [inner]);
    assert_eq!(scan.found[0].found.module, "Elixir.Fixture.Plugin");
    let cut = fixtures.join("fixture-1.0.ez/fixture-1.0/ebin/cut.beam");
    assert_eq!(reasons(&scan), [(cut, "truncated")]);
}

#[test]
fn archive_bombs_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path();
    let bomb = vec![0; 4 << 20];
    fs::write(
        base.join("bomb.ez"),
        archive(&[("x.beam", &bomb), ("y.beam", &bomb)]),
    )
    .unwrap();
    let report = |limits: Limits, archive: &str| {
        let options = ScanOptions {
            limits,
            ..ScanOptions::default()
        };
        let scan = scan(&[base.join(archive)], &options, |_| ());
        assert_eq!(found(&scan, base), [""; 0]);
        reasons(&scan)
            .into_iter()
            .map(|(_, reason)| reason)
            .collect::<Vec<_>>()
    };
    let inflated = Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    };
    assert_eq!(report(inflated, "bomb.ez"), ["inflated_too_large"; 2]);
    let together = Limits {
        archive_bytes: 5 << 20,
        ..Limits::default()
    };
    assert_eq!(report(together, "bomb.ez"), ["archive_too_large"]);
    let few = Limits {
        archive_entries: 1,
        ..Limits::default()
    };
    assert_eq!(report(few, "bomb.ez"), ["archive_too_many_entries"]);

    let names: Vec<String> = (0..20_000).map(|index| format!("{index:0>60}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    fs::write(base.join("many.ez"), archive(&many)).unwrap();
    assert_eq!(report(few, "many.ez"), ["archive_too_many_entries"]);
    assert_eq!(report(Limits::default(), "many.ez"), [""; 0]);
}

#[test]
fn an_entry_that_lies_about_its_size_inflates_to_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lie.ez");
    let honest = archive(&[("x.beam", &vec![0; 4 << 20])]);
    let size = (4_u32 << 20).to_le_bytes();
    let mut lie = honest.clone();
    let places: Vec<usize> = (0..lie.len() - 4)
        .filter(|at| lie[*at..*at + 4] == size)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        lie[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
    }
    fs::write(&path, lie).unwrap();
    let limits = Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    };
    let scan = scan(
        &[&path],
        &ScanOptions {
            limits,
            ..ScanOptions::default()
        },
        |_| (),
    );
    let reasons = reasons(&scan);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(
        ["archive", "inflated_too_large"].contains(&reasons[0].1),
        "{reasons:?}"
    );
}

#[test]
fn a_damaged_archive_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.ez");
    let whole = archive(&[("x.beam", &plugin()), ("y.beam", &plugin())]);
    for at in 0..whole.len() {
        for byte in [0, 0xff, whole[at] ^ 1] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            fs::write(&path, &damaged).unwrap();
            let options = ScanOptions {
                threads: 1,
                ..ScanOptions::default()
            };
            let scan = scan(&[&path], &options, |_| ());
            assert!(
                scan.found.len() + scan.unreadable.len() <= 2,
                "{at}: {scan:?}"
            );
        }
    }
}

#[test]
fn each_step_of_progress_is_reported_once() {
    let names: Vec<String> = (0..50)
        .map(|index| format!("app/ebin/{index}.beam"))
        .collect();
    let directory = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let steps = Mutex::new(Vec::new());
    let scan = scan(
        &[directory.path()],
        &ScanOptions::default(),
        |Progress { done, total }| {
            assert_eq!(total, 50);
            steps.lock().unwrap().push(done);
        },
    );
    assert_eq!(scan.found.len(), 50);
    let mut steps = steps.into_inner().unwrap();
    steps.sort_unstable();
    assert_eq!(steps, (1..=50).collect::<Vec<_>>());
}

#[test]
fn listing_stops_at_the_limit() {
    let directory = tree(&["a/ebin/1.beam", "a/ebin/2.beam", "a/ebin/3.beam"]);
    let options = ScanOptions {
        files: 2,
        ..ScanOptions::default()
    };
    let limited = scan(&[directory.path().join("a/ebin")], &options, |_| ());
    assert_eq!(limited.found.len(), 2);
    assert_eq!(reasons(&limited)[0].1, "too_many_files");
    let expanded = scan(&[directory.path().join("a/ebin/*.beam")], &options, |_| ());
    assert_eq!(expanded.found.len(), 2);
    assert_eq!(reasons(&expanded)[0].1, "too_many_files");
}

#[cfg(unix)]
#[test]
fn a_pattern_over_a_link_cycle_ends() {
    let directory = tree(&["ebin/a.beam"]);
    let base = directory.path();
    for name in ["one", "two", "three"] {
        std::os::unix::fs::symlink(".", base.join(name)).unwrap();
    }
    let options = ScanOptions {
        entries: 10_000,
        ..ScanOptions::default()
    };
    for pattern in ["*/".repeat(30), "*/../".repeat(30), "*/**/".repeat(10)] {
        let path = base.join(pattern);
        let scan = scan(&[&path], &options, |_| ());
        assert_eq!(reasons(&scan), [(path, "too_many_entries")]);
        assert_eq!(
            scan.unreadable[0].1.to_string(),
            "the search looks at more than 10000 directory entries; name the plugins' directories more closely, or look for \
             links that lead back up"
        );
    }
    // The directories that match are listed under the same count.
    let path = base.join("*/*/*/*/*/*/*");
    assert_eq!(
        reasons(&scan(&[&path], &options, |_| ())),
        [(path, "too_many_entries")]
    );
}

#[test]
fn patterns_are_bounded() {
    let directory = tree(&["a/x.beam"]);
    let base = directory.path();
    let refused = |pattern: String| {
        let scan = scanned(&[base.join(pattern)]);
        assert_eq!(found(&scan, base), [""; 0]);
        let [(_, error)] = &scan.unreadable[..] else {
            panic!("{scan:?}")
        };
        assert_eq!(error.reason(), "pattern");
        error.to_string()
    };
    let nested = |levels: usize| format!("{}a,b{}", "{".repeat(levels), "}".repeat(levels));
    assert_eq!(
        refused(nested(200)),
        "the pattern nests more than 4 braces; write several patterns"
    );
    assert_eq!(
        refused("*".repeat(100_000)),
        "the pattern has more than 1024 bytes; write several patterns"
    );
    assert_eq!(
        refused("*a".repeat(100)),
        "the pattern has more than 32 wildcards; write several patterns"
    );
    assert_eq!(
        found(
            &scanned(&[base.join(format!("{}/*.beam", nested(4)))]),
            base
        ),
        ["a/x.beam"]
    );
    // Unclosed, reversed, empty: whatever it is, it ends in a sentence on one line.
    for pattern in [
        "{a\nb",
        "[z-a]",
        "[",
        "a{b{c",
        "[^",
        "{,}\u{1b}[2J[",
        "\\*[",
    ] {
        for (_, error) in scanned(&[base.join(pattern)]).unreadable {
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_reported() {
    use std::os::unix::ffi::OsStrExt;
    let directory = tree(&["good.beam"]);
    let base = directory.path();
    let odd = base.join(std::ffi::OsStr::from_bytes(b"odd\xff\n.beam"));
    fs::write(&odd, plugin()).unwrap();
    let scan = scanned(&[base]);
    assert_eq!(found(&scan, base), ["good.beam"]);
    assert_eq!(reasons(&scan), [(odd.clone(), "not_utf8")]);
    let escaped = pipeline_beam::Escaped::path(&odd).to_string();
    assert!(escaped.ends_with(r"/odd\xff\n.beam"), "{escaped}");
}

#[test]
fn manifests_are_bounded_together() {
    let names: Vec<String> = (0..600).map(|index| format!("{index:03}.beam")).collect();
    let directory = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let base = directory.path();
    let limited = |manifest_bytes| {
        let options = ScanOptions {
            manifest_bytes,
            ..ScanOptions::default()
        };
        scan(&[base], &options, |_| ())
    };
    // An empty map in a list takes 11 bytes.
    assert_eq!(limited(6_600).found.len(), 600);
    let scan = limited(1_100);
    assert_eq!(found(&scan, base), names[..100]);
    // The search ends with the batch in which it was too much.
    let expected: Vec<_> = names[100..256]
        .iter()
        .map(|name| (base.join(name), "too_many_manifests"))
        .collect();
    assert_eq!(reasons(&scan), expected);
}
