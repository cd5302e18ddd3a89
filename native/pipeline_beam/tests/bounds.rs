//! Manifests whose texts, numbers and lists are larger than any manifest needs.

mod encoder;

use std::time::{Duration, Instant};

use encoder::{attributes, encode, plugin_file};
use pipeline_beam::{Limits, Term, read_module};

fn atom(text: &str) -> Term {
    Term::Atom(text.into())
}

fn text(bytes: usize) -> Term {
    Term::Binary(vec![b'9'; bytes].into())
}

fn list(count: usize, item: &Term) -> Term {
    Term::List(vec![item.clone(); count])
}

/// The reason and the sentence by which a manifest with this one pair is refused.
fn refused(key: &str, value: &Term) -> Option<(&'static str, String)> {
    let map = Term::Map(vec![(atom(key), value.clone())]);
    let file = plugin_file(&attributes(&encode(&map)[1..]));
    let started = Instant::now();
    let read = read_module(&file, &Limits::default());
    assert!(started.elapsed() < Duration::from_secs(5), "{key}");
    read.err().map(|error| (error.reason(), error.to_string()))
}

#[track_caller]
fn refuses(key: &str, value: &Term, reason: &'static str, sentence: &str) {
    assert_eq!(refused(key, value), Some((reason, sentence.to_owned())));
}

#[test]
fn texts_are_bounded() {
    for (key, most) in [
        ("id", 255),
        ("name", 255),
        ("author", 255),
        ("version", 256),
    ] {
        assert_eq!(refused(key, &text(most)), None);
        let sentence = format!(
            "the manifest's {key} has {} bytes, and {most} are allowed; shorten it",
            most + 1
        );
        refuses(key, &text(most + 1), "manifest_text_too_long", &sentence);
    }
    let option = |text| Term::List(vec![Term::Tuple(vec![atom("version"), text])]);
    let depends = |target, options| Term::List(vec![Term::Tuple(vec![target, options])]);
    for (dependency, what, bytes, most) in [
        (
            depends(text(256), Term::List(vec![])),
            "id of a dependency",
            256,
            255,
        ),
        (
            depends(atom("x"), option(text(1025))),
            "requirement of a dependency",
            1025,
            1024,
        ),
    ] {
        let sentence =
            format!("the manifest's {what} has {bytes} bytes, and {most} are allowed; shorten it");
        refuses(
            "dependencies",
            &dependency,
            "manifest_text_too_long",
            &sentence,
        );
    }
    assert_eq!(
        refused("dependencies", &depends(text(255), option(text(1024)))),
        None
    );
}

#[test]
fn a_manifest_is_bounded() {
    assert_eq!(refused("description", &text(127 << 10)), None);
    let sentence = format!(
        "the manifest has {} bytes, and 131072 are allowed; shorten its description and its capabilities",
        // Around the text: a list of one element with its tail, a map, the key, and the header of the text.
        (128 << 10) + 6 + 5 + 13 + 5
    );
    refuses(
        "description",
        &text(128 << 10),
        "manifest_too_large",
        &sentence,
    );
    let (reason, _) = refused("description", &text(1 << 20)).unwrap();
    assert_eq!(reason, "manifest_too_large");
    let (reason, _) = refused("capabilities", &list(20_000, &Term::List(vec![]))).unwrap();
    assert_eq!(reason, "term_too_large");
}

#[test]
fn lists_are_bounded() {
    let pair = Term::Tuple(vec![atom("x"), Term::List(vec![])]);
    for key in ["capabilities", "dependencies"] {
        assert_eq!(refused(key, &list(1_000, &pair)), None);
        let sentence = format!(
            "the manifest has 1001 {key}, and 1000 are allowed; split the plugin into several"
        );
        refuses(key, &list(1_001, &pair), "manifest_too_many", &sentence);
    }
    let hooks = |count| {
        Term::Map(vec![
            (atom("before"), list(600, &atom("a"))),
            (atom("after"), list(count, &atom("a"))),
        ])
    };
    assert_eq!(refused("hooks", &hooks(400)), None);
    refuses(
        "hooks",
        &hooks(401),
        "manifest_too_many",
        "the manifest has 1001 hooks, and 1000 are allowed; split the plugin into several",
    );
}

#[test]
fn integers_have_64_bits() {
    let big = |bytes: usize| {
        let length = u32::try_from(bytes).unwrap().to_be_bytes();
        let mut term = [b"t\0\0\0\x01w\x01xo", &length[..], b"\0"].concat();
        term.resize(term.len() + bytes, 0xff);
        read_module(&plugin_file(&attributes(&term)), &Limits::default())
    };
    assert!(big(7).is_ok());
    for bytes in [8, 500, 60_000] {
        let error = big(bytes).unwrap_err();
        assert_eq!(error.reason(), "term_integer");
        assert_eq!(
            error.to_string(),
            format!(
                "the integer at byte 37 has {bytes} bytes and does not fit 64 bits; write it as text"
            )
        );
    }
}

#[test]
fn maps_have_32_keys() {
    let map = |count| {
        Term::Map(
            (0..count)
                .map(|key| (Term::Integer(key), atom("x")))
                .collect(),
        )
    };
    let capability = |count| Term::List(vec![Term::Tuple(vec![atom("x"), map(count)])]);
    assert_eq!(refused("capabilities", &capability(32)), None);
    let (reason, sentence) = refused("capabilities", &capability(33)).unwrap();
    assert_eq!(reason, "term_map_keys");
    assert_eq!(
        sentence,
        "the map at byte 58 has 33 keys, and 32 are allowed; write it as a list of pairs"
    );
}
