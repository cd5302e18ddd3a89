//! Manifests as terms, without making atoms.

use pipeline_beam::{Limits, Term as Read};
use rustler::types::tuple::make_tuple;
use rustler::{Atom, Binary, Encoder, Env, OwnedBinary, Term};

rustler::atoms! { error, external_fun, ok, unknown_atom }

/// Whether discovery would read this manifest, which `term_to_binary/1` has made: `:ok` or `{:error,
/// sentence}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn check_manifest<'a>(env: Env<'a>, external: Binary<'a>) -> Term<'a> {
    match pipeline_beam::check_manifest(&external, &Limits::default()) {
        Ok(()) => ok().encode(env),
        Err(cause) => (error(), cause.to_string()).encode(env),
    }
}

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
        Read::BitString { bytes, last_bits } => bit_string(env, bytes, *last_bits),
    }
}

pub(crate) fn binary<'a>(env: Env<'a>, bytes: &[u8]) -> Term<'a> {
    let mut owned = OwnedBinary::new(bytes.len());
    owned.as_mut_slice().copy_from_slice(bytes);
    Binary::from_owned(owned, env).encode(env)
}

/// Through the external term format, in which it is `BIT_BINARY_EXT` (77).
fn bit_string<'a>(env: Env<'a>, bytes: &[u8], last_bits: u8) -> Term<'a> {
    let Ok(length) = u32::try_from(bytes.len()) else {
        return "".encode(env);
    };
    let mut external = vec![131, 77];
    external.extend(length.to_be_bytes());
    external.push(last_bits);
    external.extend(bytes);
    env.binary_to_term(&external)
        .map_or_else(|| "".encode(env), |(term, _)| term)
}
