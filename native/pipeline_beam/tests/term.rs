//! Decoding terms: every form of the format, its errors, and agreement with the Erlang installed.

mod encoder;

use std::borrow::Borrow;
use std::io::Write;
use std::process::Command;

use encoder::encode;
use pipeline_beam::{Limits, Opaque, Term, TermError, decode};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

fn atom(text: &str) -> Term {
    Term::Atom(text.into())
}

fn decoded(bytes: &[u8]) -> Result<Term, TermError> {
    decode(bytes, &Limits::default())
}

#[track_caller]
fn assert_decodes(bytes: &[u8], expected: impl Borrow<Term>) {
    assert_eq!(
        &decoded(&[&[131], bytes].concat()).unwrap(),
        expected.borrow()
    );
}

#[track_caller]
fn assert_refused(bytes: &[u8], expected: impl Borrow<TermError>) {
    assert_eq!(
        &decoded(&[&[131], bytes].concat()).unwrap_err(),
        expected.borrow()
    );
}

#[test]
fn old_forms_are_read() {
    assert_decodes(b"d\0\x02ok", atom("ok"));
    assert_decodes(b"s\x03gr\xf6", atom("grö"));
    let mut float = b"c1.50000000000000000000e+00".to_vec();
    float.resize(32, 0);
    assert_decodes(&float, Term::Float(1.5));
    assert_decodes(b"v\0\x02ok", atom("ok"));
}

#[test]
fn a_value_has_one_form() {
    assert_decodes(b"n\x09\x01\x05\0\0\0\0\0\0\0\0", Term::Integer(-5));
    assert_decodes(b"n\x08\x01\0\0\0\0\0\0\0\x80", Term::Integer(i64::MIN));
    assert_decodes(b"o\0\0\0\x01\0\x07", Term::Integer(7));
    assert_decodes(b"M\0\0\0\x01\x08a", Term::Binary((*b"a").into()));
    assert_decodes(b"M\0\0\0\0\0", Term::Binary([].into()));
    let bits = Term::BitString {
        bytes: [0b1010_0000].into(),
        last_bits: 3,
    };
    assert_decodes(b"M\0\0\0\x01\x03\xbf", bits);
    assert_decodes(
        b"k\0\x02\x01\x02",
        Term::List(vec![Term::Integer(1), Term::Integer(2)]),
    );
    assert_decodes(b"l\0\0\0\0j", Term::List(vec![]));
    assert_decodes(b"l\0\0\0\0a\x01", Term::Integer(1));
    let spliced = Term::List(vec![Term::Integer(1), Term::Integer(2)]);
    assert_decodes(b"l\0\0\0\x01a\x01l\0\0\0\x01a\x02j", spliced);
    let improper = Term::ImproperList(
        vec![Term::Integer(1), Term::Integer(2)],
        Box::new(atom("t")),
    );
    assert_decodes(b"l\0\0\0\x01a\x01l\0\0\0\x01a\x02w\x01t", improper);
    assert_decodes(b"i\0\0\0\x01j", Term::Tuple(vec![Term::List(vec![])]));
    assert_decodes(b"h\0", Term::Tuple(vec![]));
    assert_decodes(b"t\0\0\0\0", Term::Map(vec![]));
}

#[test]
fn values_of_a_running_system_are_named() {
    /// The bytes before the node's name, the name, the bytes after it, and the value of all of it.
    type Case = (&'static [u8], &'static [u8], &'static [u8], Opaque);
    let node = b"w\x04a@bc";
    let refused: [Case; 9] = [
        (b"X", node, &[0; 12], Opaque::Pid),
        (b"g", node, &[0; 9], Opaque::Pid),
        (b"f", node, &[0; 5], Opaque::Port),
        (b"Y", node, &[0; 8], Opaque::Port),
        (b"x", node, &[0; 12], Opaque::Port),
        (b"e", node, &[0; 5], Opaque::Reference),
        (b"r\0\x02", node, &[0; 9], Opaque::Reference),
        (b"Z\0\x02", node, &[0; 12], Opaque::Reference),
        (b"p\0\0\0\x06", b"", b"\0\0", Opaque::Closure),
    ];
    for (head, node, tail, what) in refused {
        assert_refused(
            &[head, node, tail].concat(),
            TermError::Opaque { what, at: 0 },
        );
        let cut = [head, node, &tail[1..]].concat();
        let error = decoded(&[&[131], &cut[..]].concat()).unwrap_err();
        assert_eq!(error.reason(), "term_truncated", "{what}");
    }
}

#[test]
fn damage_is_named() {
    assert_eq!(
        decoded(&[]).unwrap_err(),
        TermError::Truncated { at: 0, needed: 1 }
    );
    assert_eq!(
        decoded(&[130, 106]).unwrap_err(),
        TermError::Version { version: 130 }
    );
    assert_refused(&[], TermError::Truncated { at: 0, needed: 1 });
    assert_refused(b"jj", TermError::Trailing { count: 1 });
    assert_refused(&[1], TermError::Tag { tag: 1, at: 0 });
    assert_refused(
        b"m\xff\xff\xff\xff123",
        TermError::Truncated {
            at: 8,
            needed: 0xffff_fffc,
        },
    );
    assert_refused(
        b"o\xff\xff\xff\xff\x00",
        TermError::Truncated {
            at: 6,
            needed: 0xffff_ffff,
        },
    );
    assert_refused(b"w\x02\xc3\x28", TermError::Atom { at: 0 });
    assert_refused(
        &[b"v\x01\x00", &[b'a'; 256][..]].concat(),
        TermError::Atom { at: 0 },
    );
    assert_refused(
        b"n\x08\0\0\0\0\0\0\0\0\x80",
        TermError::Integer { at: 0, bytes: 8 },
    );
    assert_refused(b"F\x7f\xf0\0\0\0\0\0\0", TermError::Float { at: 0 });
    assert_refused(b"M\0\0\0\x01\x09a", TermError::Bits { at: 0, bits: 9 });
    assert_refused(b"M\0\0\0\x01\x00a", TermError::Bits { at: 0, bits: 0 });
    assert_refused(b"qa\x01", TermError::Tag { tag: 97, at: 1 });
    assert_refused(
        b"qw\x01mw\x01fb\0\0\0\x01",
        TermError::Tag { tag: 98, at: 7 },
    );
    assert_refused(
        b"t\0\0\0\x02a\x01jb\0\0\0\x01j",
        TermError::DuplicateKey { at: 14 },
    );
    for head in [b'l', b'i', b't'] {
        let term = [&[head], &b"\xff\xff\xff\xffjjj"[..]].concat();
        assert_refused(
            &term,
            TermError::Count {
                at: 0,
                count: 0xffff_ffff,
            },
        );
    }
}

#[test]
fn nodes_are_counted_before_room_is_made() {
    // Each list announces all the bytes left; together they ask for far more than there are.
    let mut bytes = vec![131];
    for _ in 0..100 {
        bytes.extend(b"l\0\x01\0\0");
    }
    bytes.resize(bytes.len() + 0x1_0000, 106);
    let limit = Limits::default().nodes;
    assert_eq!(decoded(&bytes).unwrap_err(), TermError::Nodes { limit });
    let limits = Limits {
        nodes: 3,
        ..Limits::default()
    };
    assert!(decode(b"\x83h\x02jj", &limits).is_ok());
    for three in [
        &b"\x83h\x03jjj"[..],
        b"\x83k\0\x03abc",
        b"\x83t\0\0\0\x02ajbj",
    ] {
        assert_eq!(
            decode(three, &limits).unwrap_err(),
            TermError::Nodes { limit: 3 }
        );
    }
}

#[test]
fn compressed_terms_are_inflated_under_the_cap() {
    let term = Term::Binary(vec![7; 50_000].into());
    let plain = encode(&term);
    let compressed = |announced: usize| {
        let mut bytes = vec![131, 80];
        bytes.extend(u32::try_from(announced).unwrap().to_be_bytes());
        let mut zlib = flate2::write::ZlibEncoder::new(bytes, flate2::Compression::fast());
        zlib.write_all(&plain[1..]).unwrap();
        zlib.finish().unwrap()
    };
    let size = plain.len() - 1;
    assert_eq!(decoded(&compressed(size)).unwrap(), term);
    for lie in [size - 1, size + 1, 0] {
        let error = TermError::Compressed {
            announced: lie as u64,
        };
        assert_eq!(decoded(&compressed(lie)).unwrap_err(), error);
    }
    let limits = Limits {
        inflated_bytes: 40_000,
        ..Limits::default()
    };
    let error = TermError::CompressedTooLarge {
        announced: size as u64,
        limit: 40_000,
    };
    assert_eq!(decode(&compressed(size), &limits).unwrap_err(), error);
    let mut damaged = compressed(size);
    let middle = damaged.len() / 2;
    damaged.truncate(middle);
    assert_eq!(decoded(&damaged).unwrap_err().reason(), "term_compressed");
    // A compressed term within a compressed term is nothing that the format has.
    assert_refused(b"h\x01P\0\0\0\0", TermError::Tag { tag: 80, at: 2 });
}

fn terms() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        "[a-zé日]{0,12}".prop_map(|text| Term::Atom(text.into())),
        Just(Term::Atom("é".repeat(255).into())),
        any::<i64>().prop_map(Term::Integer),
        (-300_i64..300).prop_map(Term::Integer),
        prop::num::f64::NORMAL.prop_map(Term::Float),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Term::Binary(bytes.into())),
        (
            prop::collection::vec(any::<u8>(), 0..4),
            1_u8..8,
            any::<u8>()
        )
            .prop_map(|(mut bytes, last_bits, last)| {
                bytes.push(last & !(0xff >> last_bits));
                Term::BitString {
                    bytes: bytes.into(),
                    last_bits,
                }
            }),
        ("[a-z]{1,5}", "[a-z]{1,5}", any::<u8>()).prop_map(|(module, name, arity)| {
            Term::ExternalFun {
                module: module.into(),
                name: name.into(),
                arity,
            }
        }),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let many = prop::collection::vec(inner.clone(), 0..8);
        prop_oneof![
            many.clone().prop_map(Term::List),
            many.clone().prop_map(Term::Tuple),
            (many, inner.clone()).prop_map(|(items, tail)| match tail {
                Term::List(_) | Term::ImproperList(..) => Term::List(items),
                tail if items.is_empty() => tail,
                tail => Term::ImproperList(items, Box::new(tail)),
            }),
            prop::collection::hash_map(inner.clone(), inner, 0..8)
                .prop_map(|pairs| Term::Map(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(term in terms()) {
        prop_assert_eq!(decoded(&encode(&term)).unwrap(), term);
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decoded(&bytes);
        bytes.insert(0, 131);
        let _ = decoded(&bytes);
    }

    #[test]
    fn damaged_terms_never_panic(term in terms(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&term);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decoded(&bytes);
    }

    #[test]
    fn a_term_cut_short_is_refused(term in terms(), at in any::<prop::sample::Index>()) {
        let bytes = encode(&term);
        prop_assert!(decoded(&bytes[..at.index(bytes.len())]).is_err());
    }
}

/// The output of `term_to_binary/1`, and with two of its options, for `binary_to_term/1` of each term.
const REWRITE: &str = "
    [In, Out] = init:get_plain_arguments(),
    {ok, Terms} = file:read_file(In),
    Written = [term_to_binary(binary_to_term(T), O) || <<N:32, T:N/binary>> <= Terms,
               O <- [[], [compressed], [{minor_version, 0}]]],
    ok = file:write_file(Out, [[<<(byte_size(T)):32>>, T] || T <- Written]),
    halt().";

fn framed(terms: &[Vec<u8>]) -> Vec<u8> {
    let frame =
        |term: &Vec<u8>| [&u32::try_from(term.len()).unwrap().to_be_bytes()[..], term].concat();
    terms.iter().flat_map(frame).collect()
}

/// Maps in one order, since Erlang has its own.
fn ordered(term: Term) -> Term {
    match term {
        Term::List(items) => Term::List(items.into_iter().map(ordered).collect()),
        Term::Tuple(items) => Term::Tuple(items.into_iter().map(ordered).collect()),
        Term::ImproperList(items, tail) => {
            let items = items.into_iter().map(ordered).collect();
            Term::ImproperList(items, Box::new(ordered(*tail)))
        }
        Term::Map(pairs) => {
            let pairs = pairs
                .into_iter()
                .map(|(key, value)| (ordered(key), ordered(value)));
            let mut pairs: Vec<_> = pairs.collect();
            pairs.sort_by_cached_key(|pair| encode(&pair.0));
            Term::Map(pairs)
        }
        plain => plain,
    }
}

#[test]
fn erlang_reads_and_writes_the_same_terms() {
    let mut runner = TestRunner::deterministic();
    let strategy = terms();
    let terms: Vec<Term> = (0..1_000)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let (input, output) = (directory.path().join("in"), directory.path().join("out"));
    std::fs::write(
        &input,
        framed(&terms.iter().map(encode).collect::<Vec<_>>()),
    )
    .unwrap();
    let erl = Command::new("erl")
        .args(["-noshell", "-noinput", "-eval", REWRITE, "-extra"])
        .args([&input, &output])
        .output();
    let erl = match erl {
        Ok(erl) => erl,
        Err(error) => return eprintln!("SKIPPED: no erl to compare with: {error}"),
    };
    assert!(
        erl.status.success(),
        "{}",
        String::from_utf8_lossy(&erl.stdout)
    );
    let written = std::fs::read(&output).unwrap();
    let mut written = &written[..];
    for term in terms {
        let term = ordered(term);
        for _ in 0..3 {
            let (size, rest) = written.split_first_chunk::<4>().unwrap();
            let (bytes, rest) = rest.split_at(u32::from_be_bytes(*size) as usize);
            assert_eq!(ordered(decoded(bytes).unwrap()), term);
            written = rest;
        }
    }
    assert!(written.is_empty());
}
