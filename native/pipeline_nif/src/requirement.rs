//! Version requirements.

use pipeline_core::requirement::{AllowPre, MatchError, is_match};
use rustler::{Encoder, Env, Term};

rustler::atoms! { invalid_requirement, invalid_version }

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
