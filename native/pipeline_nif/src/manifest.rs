//! Manifests as terms, without making atoms.

use pipeline_beam::Term as Read;
use rustler::types::tuple::make_tuple;
use rustler::{Atom, Binary, Encoder, Env, OwnedBinary, Term};

rustler::atoms! { external_fun, unknown_atom }

/// The atom of this name, or `{:unknown_atom, name}` where the VM has none.
pub(crate) fn atom<'a>(env: Env<'a>, name: &str) -> Term<'a> {
    match Atom::existing_from_utf8_bytes(env, name.as_bytes()) {
        Ok(atom) => atom.to_term(env),
        Err(_) => (unknown_atom(), name).encode(env),
    }
}

/// A term that was read from a file. The reader bounds its depth.
pub(crate) fn encode<'a>(env: Env<'a>, term: &Read) -> Term<'a> {
    let all = |terms: &[Read]| {
        terms
            .iter()
            .map(|term| encode(env, term))
            .collect::<Vec<_>>()
    };
    match term {
        Read::Atom(name) => atom(env, name),
        Read::Integer(value) => value.encode(env),
        Read::Float(value) => value.encode(env),
        Read::Binary(bytes) => binary(env, bytes),
        Read::List(terms) => all(terms).encode(env),
        Read::Tuple(terms) => make_tuple(env, &all(terms)),
        Read::ImproperList(terms, tail) => {
            terms.iter().rev().fold(encode(env, tail), |tail, term| {
                tail.list_prepend(encode(env, term))
            })
        }
        Read::Map(pairs) => {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(key, value)| (encode(env, key), encode(env, value)))
                .collect();
            // Keys that differ only in atoms unknown to the VM stay different, so none is there twice.
            Term::map_from_pairs(env, &pairs).unwrap_or_else(|_| Term::map_new(env))
        }
        Read::ExternalFun {
            module,
            name,
            arity,
        } => (external_fun(), atom(env, module), atom(env, name), *arity).encode(env),
        Read::BigInteger(integer) => big_integer(env, integer.negative, &integer.magnitude),
        Read::BitString { bytes, last_bits } => bit_string(env, bytes, *last_bits),
    }
}

fn binary<'a>(env: Env<'a>, bytes: &[u8]) -> Term<'a> {
    let mut owned = OwnedBinary::new(bytes.len());
    owned.as_mut_slice().copy_from_slice(bytes);
    Binary::from_owned(owned, env).encode(env)
}

/// Through the external term format: the tags `SMALL_BIG_EXT` (110) and `LARGE_BIG_EXT` (111).
fn big_integer<'a>(env: Env<'a>, negative: bool, magnitude: &[u8]) -> Term<'a> {
    let mut external = vec![131];
    match (
        u8::try_from(magnitude.len()),
        u32::try_from(magnitude.len()),
    ) {
        (Ok(length), _) => external.extend([110, length]),
        (_, Ok(length)) => {
            external.push(111);
            external.extend(length.to_be_bytes());
        }
        _ => return 0.encode(env),
    }
    external.push(u8::from(negative));
    external.extend(magnitude);
    from_external(env, &external)
}

/// `BIT_BINARY_EXT` (77).
fn bit_string<'a>(env: Env<'a>, bytes: &[u8], last_bits: u8) -> Term<'a> {
    let Ok(length) = u32::try_from(bytes.len()) else {
        return "".encode(env);
    };
    let mut external = vec![131, 77];
    external.extend(length.to_be_bytes());
    external.push(last_bits);
    external.extend(bytes);
    from_external(env, &external)
}

fn from_external<'a>(env: Env<'a>, external: &[u8]) -> Term<'a> {
    env.binary_to_term(external)
        .map_or_else(|| 0.encode(env), |(term, _)| term)
}
