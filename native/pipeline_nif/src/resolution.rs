//! The order in which plugins load and unload.

use pipeline_core::requirement::Requirement;
use pipeline_core::resolve::{Cycle, ResolveError, Unmet};
use rustler::{Encoder, Env, NifResult, Term};

use crate::id::Id;
use crate::manifest_terms::ManifestTerms;

rustler::atoms! {
    already_loaded, cycle, duplicate_id, error, missing_capability, missing_dependency, ok, unmet, version_mismatch,
}

/// `{:ok, waves of ids}` or `{:error, {reason, sentence}}`, of manifests.
#[rustler::nif(schedule = "DirtyCpu")]
fn load_order<'a>(env: Env<'a>, to_load: Term<'a>, loaded: Term<'a>) -> NifResult<Term<'a>> {
    ManifestTerms::read(to_load, loaded)?.table(|table, ids| waves(env, table.load_order(), ids))
}

/// The same, dependents before what they need.
#[rustler::nif(schedule = "DirtyCpu")]
fn unload_order<'a>(env: Env<'a>, to_unload: Term<'a>) -> NifResult<Term<'a>> {
    let none = Term::list_new_empty(env);
    ManifestTerms::read(to_unload, none)?.table(|table, ids| waves(env, table.unload_order(), ids))
}

fn waves<'a>(
    env: Env<'a>,
    waves: Result<Vec<Vec<usize>>, ResolveError<Id>>,
    ids: &[Term<'a>],
) -> Term<'a> {
    let list = |list: Term<'a>, element: Term<'a>| list.list_prepend(element);
    match waves {
        Ok(waves) => {
            let wave = |wave: &Vec<usize>| {
                let ids = wave.iter().rev().map(|&plugin| ids[plugin]);
                ids.fold(Term::list_new_empty(env), list)
            };
            let waves = waves.iter().rev().map(wave);
            (ok(), waves.fold(Term::list_new_empty(env), list)).encode(env)
        }
        Err(problem) => (error(), (reason(env, &problem), problem.to_string())).encode(env),
    }
}

fn reason<'a>(env: Env<'a>, problem: &ResolveError<Id>) -> Term<'a> {
    match problem {
        ResolveError::DuplicateId { id, .. } => (duplicate_id(), id).encode(env),
        ResolveError::AlreadyLoaded { id, .. } => (already_loaded(), id).encode(env),
        ResolveError::Unmet(all) => {
            let all: Vec<_> = all.iter().map(|one| unmet_dependency(env, one)).collect();
            (unmet(), all).encode(env)
        }
        ResolveError::Cycle(Cycle { edges }) => {
            let ids: Vec<&Id> = edges.iter().map(|edge| &edge.from).collect();
            (cycle(), ids).encode(env)
        }
    }
}

fn unmet_dependency<'a>(env: Env<'a>, unmet: &Unmet<Id>) -> Term<'a> {
    match unmet {
        Unmet::MissingPlugin {
            by,
            id,
            requirement,
            ..
        } => {
            let requirement = requirement.as_ref().map(Requirement::as_str);
            (missing_dependency(), by, id, requirement).encode(env)
        }
        Unmet::MissingCapability { by, capability, .. } => {
            (missing_capability(), by, capability).encode(env)
        }
        Unmet::VersionMismatch {
            by,
            id,
            requirement,
            found,
        } => (
            version_mismatch(),
            by,
            id,
            requirement.as_str(),
            found.to_string(),
        )
            .encode(env),
    }
}
