//! Version requirements.

use pipeline_core::requirement::{
    AllowPre, MAX_REQUIREMENT_BYTES, MAX_VERSION_BYTES, MatchError, Requirement, is_match,
    parse_version,
};
use rustler::{Binary, Encoder, Env, Term};

rustler::atoms! { invalid, invalid_requirement, invalid_version, ok, too_long }

/// `:ok`, `:invalid` or `{:too_long, bytes allowed}`.
#[rustler::nif]
fn check_version<'a>(env: Env<'a>, version: Binary<'a>) -> Term<'a> {
    check(env, version, MAX_VERSION_BYTES, |text| {
        parse_version(text).is_ok()
    })
}

/// `:ok`, `:invalid` or `{:too_long, bytes allowed}`.
#[rustler::nif]
fn check_requirement<'a>(env: Env<'a>, requirement: Binary<'a>) -> Term<'a> {
    check(env, requirement, MAX_REQUIREMENT_BYTES, |text| {
        text.parse::<Requirement>().is_ok()
    })
}

fn check<'a>(
    env: Env<'a>,
    text: Binary<'a>,
    limit: usize,
    parses: impl FnOnce(&str) -> bool,
) -> Term<'a> {
    if text.len() > limit {
        return (too_long(), limit).encode(env);
    }
    match std::str::from_utf8(&text) {
        Ok(text) if parses(text) => ok().encode(env),
        _ => invalid().encode(env),
    }
}

/// `true`, `false`, `:invalid_version` or `:invalid_requirement`.
#[rustler::nif]
fn requirement_match<'a>(
    env: Env<'a>,
    version: &str,
    requirement: &str,
    allow_pre: bool,
) -> Term<'a> {
    let allow_pre = if allow_pre {
        AllowPre::Yes
    } else {
        AllowPre::No
    };
    match is_match(version, requirement, allow_pre) {
        Ok(matches) => matches.encode(env),
        Err(MatchError::Version(_)) => invalid_version().encode(env),
        Err(MatchError::Requirement(_)) => invalid_requirement().encode(env),
    }
}
