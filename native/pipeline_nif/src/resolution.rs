//! The order in which plugins load and unload.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use pipeline_core::requirement::{Requirement, parse_version};
use pipeline_core::resolve::{
    Cycle, Dependency, Node, ResolveError, Target, Unmet, load_order as core_load_order,
    unload_order as core_unload_order,
};
use rustler::{Atom, Encoder, Env, Error, NifResult, Term};

use crate::hook_order::list;
use crate::id::Id;

rustler::atoms! {
    already_loaded, capability, cycle, duplicate_id, error, missing_capability, missing_dependency, nil, ok, plugin,
    unmet, version_mismatch,
}

type EncodedNode<'a> = (Id, &'a str, Term<'a>, Term<'a>);
type EncodedDependency<'a> = (Atom, Id, Option<&'a str>, bool);

/// `{:ok, waves of indices}` or `{:error, {reason, sentence}}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn load_order<'a>(env: Env<'a>, to_load: Term<'a>, loaded: Term<'a>) -> NifResult<Term<'a>> {
    let (to_load, loaded) = (nodes(to_load)?, nodes(loaded)?);
    Ok(waves(env, core_load_order(&to_load, &loaded)))
}

/// The same, dependents before what they need.
#[rustler::nif(schedule = "DirtyCpu")]
fn unload_order<'a>(env: Env<'a>, to_unload: Term<'a>) -> NifResult<Term<'a>> {
    Ok(waves(env, core_unload_order(&nodes(to_unload)?)))
}

fn waves(env: Env<'_>, waves: Result<Vec<Vec<usize>>, ResolveError<Id>>) -> Term<'_> {
    match waves {
        Ok(waves) => (ok(), waves).encode(env),
        Err(problem) => (error(), (reason(env, &problem), problem.to_string())).encode(env),
    }
}

/// Plugins as `{id, version, capabilities, [{:plugin | :capability, name, requirement | nil, optional?}]}`.
///
/// Many dependencies share few requirements: each is parsed once.
pub(crate) fn nodes(term: Term<'_>) -> NifResult<Vec<Node<Id>>> {
    let mut requirements = HashMap::new();
    list::<EncodedNode<'_>>(term)?
        .into_iter()
        .map(|(id, version, capabilities, dependencies)| {
            Ok(Node {
                id,
                version: parse_version(version).map_err(|_| Error::BadArg)?,
                capabilities: list(capabilities)?,
                dependencies: list::<EncodedDependency<'_>>(dependencies)?
                    .into_iter()
                    .map(|declared| dependency(declared, &mut requirements))
                    .collect::<NifResult<_>>()?,
            })
        })
        .collect()
}

fn dependency<'a>(
    (kind, name, requirement, optional): EncodedDependency<'a>,
    parsed: &mut HashMap<&'a str, Requirement>,
) -> NifResult<Dependency<Id>> {
    let requirement = match requirement.map(|text| (text, parsed.entry(text))) {
        None => None,
        Some((_, Entry::Occupied(known))) => Some(known.get().clone()),
        Some((text, Entry::Vacant(new))) => {
            let requirement: Requirement = text.parse().map_err(|_| Error::BadArg)?;
            Some(new.insert(requirement).clone())
        }
    };
    let target = if kind == plugin() {
        Target::Plugin(name, requirement)
    } else if kind == capability() {
        Target::Capability(name)
    } else {
        return Err(Error::BadArg);
    };
    Ok(Dependency { target, optional })
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
