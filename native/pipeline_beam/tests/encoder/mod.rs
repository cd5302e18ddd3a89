//! Writes terms in external format, in the forms that `term_to_binary/1` uses. For tests: the
//! crate itself only reads.
#![allow(dead_code, reason = "each test program uses some")]

use pipeline_beam::Term;

/// `term` with the version byte.
pub(crate) fn encode(term: &Term) -> Vec<u8> {
    let mut bytes = vec![131];
    value(term, &mut bytes);
    bytes
}

/// A BEAM file of the chunks given, all lengths right.
pub(crate) fn beam_file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"BEAM".to_vec();
    for (name, data) in chunks {
        body.extend(*name);
        body.extend(length(data.len()));
        body.extend(*data);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    [&b"FOR1"[..], &length(body.len()), &body].concat()
}

/// A plugin's BEAM file around the data of a chunk `Attr`, its callback exported.
pub(crate) fn plugin_file(attributes: &[u8]) -> Vec<u8> {
    let exports = [1_u32, 2, 0, 1].map(u32::to_be_bytes).concat();
    let atoms = b"\0\0\0\x02\x08Elixir.P\x0a__plugin__";
    beam_file(&[(b"AtU8", atoms), (b"ExpT", &exports), (b"Attr", attributes)])
}

/// The data of a chunk `Attr` whose manifest is the term that `value` encodes, version byte left out.
pub(crate) fn attributes(value: &[u8]) -> Vec<u8> {
    let manifest = b"\x83l\0\0\0\x01h\x02w\x0fpipeline_pluginl\0\0\0\x01";
    [&manifest[..], value, b"jj"].concat()
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length)
        .expect("a test's lengths fit 32 bits")
        .to_be_bytes()
}

fn value(term: &Term, out: &mut Vec<u8>) {
    match term {
        Term::Atom(text) => atom(text, out),
        Term::Integer(number) => integer(*number, out),
        Term::Float(number) => {
            out.push(70);
            out.extend(number.to_be_bytes());
        }
        Term::Binary(bytes) => {
            out.push(109);
            out.extend(length(bytes.len()));
            out.extend(bytes);
        }
        Term::BitString { bytes, last_bits } => {
            out.push(77);
            out.extend(length(bytes.len()));
            out.push(*last_bits);
            out.extend(bytes);
        }
        Term::List(items) if items.is_empty() => out.push(106),
        Term::List(items) => {
            list(items, out);
            out.push(106);
        }
        Term::ImproperList(items, tail) => {
            list(items, out);
            value(tail, out);
        }
        Term::Tuple(items) => {
            if let Ok(count) = u8::try_from(items.len()) {
                out.extend([104, count]);
            } else {
                out.push(105);
                out.extend(length(items.len()));
            }
            for item in items {
                value(item, out);
            }
        }
        Term::Map(pairs) => {
            out.push(116);
            out.extend(length(pairs.len()));
            for (key, item) in pairs {
                value(key, out);
                value(item, out);
            }
        }
        Term::ExternalFun {
            module,
            name,
            arity,
        } => {
            out.push(113);
            atom(module, out);
            atom(name, out);
            out.extend([97, *arity]);
        }
    }
}

fn list(items: &[Term], out: &mut Vec<u8>) {
    out.push(108);
    out.extend(length(items.len()));
    for item in items {
        value(item, out);
    }
}

fn atom(text: &str, out: &mut Vec<u8>) {
    if let Ok(count) = u8::try_from(text.len()) {
        out.extend([119, count]);
    } else {
        out.push(118);
        out.extend(&length(text.len())[2..]);
    }
    out.extend(text.as_bytes());
}

fn integer(number: i64, out: &mut Vec<u8>) {
    if let Ok(small) = u8::try_from(number) {
        out.extend([97, small]);
    } else if let Ok(word) = i32::try_from(number) {
        out.push(98);
        out.extend(word.to_be_bytes());
    } else {
        let magnitude = number.unsigned_abs().to_le_bytes();
        let end = magnitude
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        big(number < 0, &magnitude[..end], out);
    }
}

fn big(negative: bool, magnitude: &[u8], out: &mut Vec<u8>) {
    if let Ok(count) = u8::try_from(magnitude.len()) {
        out.extend([110, count]);
    } else {
        out.push(111);
        out.extend(length(magnitude.len()));
    }
    out.push(negative.into());
    out.extend(magnitude);
}
