//! JSON both ways, in the process that asks for it.

use pipeline_term::Data;
use rustler::{Binary, Encoder, Env, Term};

rustler::atoms! { ok, error }

/// `{:ok, binary}` of a term with names or texts as keys, or `{:error, message}`.
#[rustler::nif]
fn encode_json<'a>(env: Env<'a>, term: Term<'a>) -> Term<'a> {
    let encoded = Data::from_term(term)
        .map_err(|problem| problem.to_string())
        .and_then(|data| serde_json::to_vec(&data).map_err(|problem| problem.to_string()));
    match encoded {
        Ok(bytes) => {
            let mut binary = rustler::NewBinary::new(env, bytes.len());
            binary.as_mut_slice().copy_from_slice(&bytes);
            (ok(), Term::from(binary)).encode(env)
        }
        Err(message) => (error(), message).encode(env),
    }
}

/// `{:ok, term}` with texts as keys, or `{:error, message}`. The message quotes nothing of the text.
#[rustler::nif]
fn decode_json<'a>(env: Env<'a>, text: Binary<'a>) -> Term<'a> {
    let decoded = serde_json::from_slice::<Data>(text.as_slice())
        .map_err(|problem| {
            format!(
                "no JSON: line {}, column {}",
                problem.line(),
                problem.column()
            )
        })
        .and_then(|data| data.to_term(env).map_err(|problem| problem.to_string()));
    match decoded {
        Ok(term) => (ok(), term).encode(env),
        Err(message) => (error(), message).encode(env),
    }
}
