//! Reading one module: files that Elixir compiled, the ways they are packed, and each error.

mod compiled;
mod encoder;

use std::io::Write;

use encoder::{attributes, beam_file, plugin_file};
use pipeline_beam::{Found, Limits, ReadError, Term, read_file, read_module};

fn read(bytes: &[u8]) -> Result<Option<Found>, ReadError> {
    read_module(bytes, &Limits::default())
}

fn atom(text: &str) -> Term {
    Term::Atom(text.into())
}

fn text(text: &str) -> Term {
    Term::Binary(text.as_bytes().into())
}

fn integer(value: i64) -> Term {
    Term::Integer(value)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[track_caller]
fn assert_refused(bytes: &[u8], reason: &str) {
    assert_eq!(read(bytes).unwrap_err().reason(), reason);
}

#[test]
fn a_manifest_is_read_as_it_was_written() {
    let Some(bytes) = compiled::file("Elixir.Fixture.Plugin.beam") else {
        return;
    };
    let found = read(&bytes).unwrap().unwrap();
    assert_eq!(found.module, "Elixir.Fixture.Plugin");
    assert_eq!(found.missing_callbacks, []);
    let upcase = Term::ExternalFun {
        module: "Elixir.String".into(),
        name: "upcase".into(),
        arity: 1,
    };
    let empty = [
        Term::List(vec![]),
        Term::Tuple(vec![]),
        Term::Map(vec![]),
        text(""),
    ];
    let expected = [
        ("id", atom("fixture")),
        ("version", text("1.2.3")),
        ("small", integer(7)),
        ("negative", integer(-70_000)),
        ("word", integer(i64::MAX)),
        ("least", integer(i64::MIN)),
        ("ratio", Term::Float(1.5)),
        ("fun", upcase),
        (
            "bits",
            Term::BitString {
                bytes: [0b1010_0000].into(),
                last_bits: 3,
            },
        ),
        ("chars", Term::List(vec![integer(104), integer(105)])),
        (
            "improper",
            Term::ImproperList(vec![integer(1)], Box::new(atom("tail"))),
        ),
        ("nothing", atom("nil")),
        ("empty", Term::Tuple(empty.into())),
        ("größe 日本", atom("größe 日本")),
    ];
    for (key, value) in &expected {
        assert_eq!(found.manifest.get(key), Some(value), "{key}");
    }
    let Term::Map(pairs) = found.manifest else {
        panic!("no map")
    };
    assert_eq!(pairs.len(), expected.len() + 1);
    let deepest = Term::Map(vec![(
        atom("deepest"),
        Term::Tuple(vec![atom("a"), text("b")]),
    )]);
    let deep = Term::Map(vec![(atom("deeper"), Term::List(vec![deepest]))]);
    let cache = Term::Tuple(vec![atom("cache"), text("~> 1.0")]);
    let depends_on = Term::Tuple(vec![atom("depends_on"), Term::List(vec![cache])]);
    let nested = Term::List(vec![depends_on, Term::Tuple(vec![atom("deep"), deep])]);
    assert!(pairs.contains(&(text("text"), nested)));
}

#[test]
fn packing_changes_nothing() {
    let Some(bytes) = compiled::file("Elixir.Fixture.Plugin.beam") else {
        return;
    };
    let expected = content(read(&bytes).unwrap());
    for name in ["gzip.beam", "released.beam", "otp28.beam"] {
        assert_eq!(
            content(read(&compiled::file(name).unwrap()).unwrap()),
            expected,
            "{name}"
        );
        let path = compiled::directory().unwrap().join(name);
        assert_eq!(
            content(read_file(&path, &Limits::default()).unwrap()),
            expected,
            "{name}"
        );
    }
}

/// All but the digest, which is of the bytes as they are packed.
fn content(found: Option<Found>) -> Option<(String, Term, usize)> {
    found.map(|found| (found.module, found.manifest, found.missing_callbacks.len()))
}

#[test]
fn modules_without_a_manifest_are_none() {
    for name in ["Elixir.Fixture.Plain.beam", "stripped.beam"] {
        let Some(bytes) = compiled::file(name) else {
            return;
        };
        assert_eq!(read(&bytes).unwrap(), None, "{name}");
    }
}

#[test]
fn a_missing_callback_is_named() {
    let Some(bytes) = compiled::file("Elixir.Fixture.Lacking.beam") else {
        return;
    };
    let found = read(&bytes).unwrap().unwrap();
    assert_eq!(found.module, "Elixir.Fixture.Lacking");
    assert_eq!(found.missing_callbacks, [("__plugin__".to_owned(), 0)]);
}

#[test]
fn manifests_of_another_shape_are_refused() {
    let Some(list) = compiled::file("Elixir.Fixture.NotAMap.beam") else {
        return;
    };
    assert_refused(&list, "manifest_not_a_map");
    let twice = compiled::file("Elixir.Fixture.Twice.beam").unwrap();
    let error = read(&twice).unwrap_err();
    assert_eq!(error.reason(), "several_manifests");
    let message = "the module carries more than one manifest; let it `use Pipeline.Plugin` once";
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_file_made_by_hand_is_read() {
    let found = read(&plugin_file(&attributes(b"t\0\0\0\0")))
        .unwrap()
        .unwrap();
    assert_eq!(found.module, "Elixir.P");
    assert_eq!(found.manifest, Term::Map(vec![]));
    assert_eq!(found.missing_callbacks, []);
}

#[test]
fn a_file_gives_what_its_bytes_give() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.beam");
    // Chunks that the window onto a file holds, and chunks that it must move and grow for.
    for size in [0_u32, 4_000, 10_000, 100_000] {
        let value = [
            &b"t\0\0\0\x01w\x04textm"[..],
            &size.to_be_bytes(),
            &vec![b'x'; size as usize],
        ]
        .concat();
        let map = attributes(&value);
        let junk = vec![0; size as usize];
        let exports = 0_u32.to_be_bytes();
        let table = beam_file(&[
            (b"Junk", &junk),
            (b"Attr", &map),
            (b"Code", &junk),
            (b"ExpT", &exports),
            (b"AtU8", b"\0\0\0\x01\x01p"),
        ]);
        for bytes in [gzip(&table), table] {
            std::fs::write(&path, &bytes).unwrap();
            let found = read_file(&path, &Limits::default()).unwrap();
            assert!(found.is_some());
            assert_eq!(found, read(&bytes).unwrap());
            for end in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
                std::fs::write(&path, &bytes[..end]).unwrap();
                let error = read_file(&path, &Limits::default()).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    read(&bytes[..end]).unwrap_err().to_string()
                );
            }
        }
    }
    let error = read_file(directory.path(), &Limits::default()).unwrap_err();
    assert_eq!(error.reason(), "not_a_regular_file");
    let error = read_file(&directory.path().join("none"), &Limits::default()).unwrap_err();
    assert_eq!(error.reason(), "not_found");
}

#[test]
fn other_attributes_may_hold_anything() {
    let pid = b"X\x77\x01n\0\0\0\x01\0\0\0\x02\0\0\0\x03";
    let mut bytes = b"\x83l\0\0\0\x02h\x02w\x05otherl\0\0\0\x01".to_vec();
    bytes.extend(pid);
    bytes.extend(b"j");
    bytes.extend(&attributes(b"t\0\0\0\0")[6..]);
    assert!(read(&plugin_file(&bytes)).unwrap().is_some());
    assert_refused(&plugin_file(&attributes(pid)), "term_opaque");
}

#[test]
fn damaged_files_are_refused_by_name() {
    let map = attributes(b"t\0\0\0\0");
    let exports = [0_u32].map(u32::to_be_bytes).concat();
    let atoms = b"\0\0\0\x01\x01p";
    assert_refused(b"", "not_a_beam_file");
    assert_refused(b"FOR1", "not_a_beam_file");
    assert_refused(b"RIFF\0\0\0\x04BEAM", "not_a_beam_file");
    assert_refused(b"FOR1\0\0\0\x04BEER", "not_a_beam_file");
    assert_refused(b"FOR1\0\0\0\x05BEAM", "truncated");
    assert_refused(b"FOR1\0\0\0\x08BEAMAttr", "truncated");
    assert_refused(b"FOR1\0\0\0\x10BEAMAttr\0\0\0\x05abcd", "truncated");
    assert_refused(b"FOR1\0\0\0\x10BEAMAttr\xff\xff\xff\xffabcd", "truncated");
    assert_eq!(read(b"FOR1\0\0\0\x04BEAM").unwrap(), None);
    assert_refused(
        &beam_file(&[(b"ExpT", &exports), (b"Attr", &map)]),
        "missing_chunk",
    );
    assert_refused(
        &beam_file(&[(b"AtU8", atoms), (b"Attr", &map)]),
        "missing_chunk",
    );
    let table = |atoms: &[u8], exports: &[u8]| {
        beam_file(&[(b"AtU8", atoms), (b"ExpT", exports), (b"Attr", &map)])
    };
    assert!(read(&table(atoms, &exports)).unwrap().is_some());
    assert_refused(&table(b"", &exports), "atom_table");
    assert_refused(&table(b"\0\0\0\0", &exports), "atom_table");
    assert_refused(&table(b"\0\0\0\x01\x01\xff", &exports), "atom_table");
    assert_refused(&table(b"\0\0\0\x02\x01p\x02x", &exports), "atom_table");
    assert_refused(&table(atoms, b"\0\0\0"), "export_table");
    assert_refused(&table(atoms, b"\xff\xff\xff\xff"), "export_table");
    assert_refused(&table(atoms, b"\0\0\0\x01\0\0\0\x01"), "export_table");
    for shape in [
        &b"\x83a\x01"[..],
        b"\x83l\0\0\0\x01jj",
        b"\x83l\0\0\0\x01h\x01jj",
    ] {
        assert_refused(&plugin_file(shape), "attributes");
    }
    assert_refused(&plugin_file(b"\x83l\0\0\0\x01h\x02jjj"), "attributes");
    assert_refused(
        &plugin_file(b"\x83l\0\0\0\x01h\x02w\x01ajw\x01b"),
        "attributes",
    );
    assert_refused(&plugin_file(b""), "term_truncated");
    assert_eq!(read(&plugin_file(b"\x83j")).unwrap(), None);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let file = plugin_file(&attributes(b"t\0\0\0\0"));
    let limits = Limits {
        chunk_bytes: 20,
        ..Limits::default()
    };
    let error = read_module(&file, &limits).unwrap_err();
    assert_eq!(error.reason(), "chunk_too_large");
    let message = "the chunk Attr has 37 bytes, and 20 are allowed; \
                   raise the limit `chunk_bytes` if you trust the file";
    assert_eq!(error.to_string(), message);
    let limits = Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    };
    let bomb = gzip(&vec![0; 16 << 20]);
    assert!(bomb.len() < 1 << 20);
    let error = read_module(&bomb, &limits).unwrap_err();
    assert_eq!(error.reason(), "inflated_too_large");
    assert_refused(&gzip(b"no module"), "not_a_beam_file");
    let cut = gzip(&file);
    assert_refused(&cut[..cut.len() - 9], "gzip");
}
