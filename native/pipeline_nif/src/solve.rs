//! The choice of versions.

use std::collections::BTreeMap;

use pipeline_core::requirement::parse_version;
use pipeline_core::resolve::{CauseKind, Request, Root, SolveError, solve as core_solve};
use rustler::{Atom, Encoder, Env, Error, LocalPid, NifResult, Reference, Term};
use semver::Version;

use crate::background::{self, Encode, ReplyTo};
use crate::hook_order::list;
use crate::id::Id;
use crate::manifest_terms::ManifestTerms;

rustler::atoms! {
    conflict, disagreement, duplicate_release, error, missing_capability, missing_plugin, narrowed, no_common_provider, no_version, ok,
    pre_release_only,
}

/// Chooses among manifests on a thread of its own and sends `{reference, :done, {:ok, indices}}`, or
/// `{:error, {reason, sentence}}`. On a dirty scheduler: a large set of releases takes its time to decode.
#[rustler::nif(schedule = "DirtyCpu")]
fn solve<'a>(
    reply_to: LocalPid,
    reference: Reference<'a>,
    releases: Term<'a>,
    roots: Term<'a>,
    preferences: (Term<'a>, Term<'a>),
) -> NifResult<Atom> {
    let none = Term::list_new_empty(releases.get_env());
    let releases = ManifestTerms::read(releases, none)?.nodes()?;
    let request = Request {
        roots: list::<(Id, Option<&str>)>(roots)?
            .into_iter()
            .map(root)
            .collect::<NifResult<_>>()?,
        locked: versions(preferences.0)?,
        loaded: versions(preferences.1)?,
    };
    background::run(ReplyTo::new(reply_to, reference), move |_| {
        Solution(core_solve(&releases, &request))
    })?;
    Ok(ok())
}

fn root((id, requirement): (Id, Option<&str>)) -> NifResult<Root<Id>> {
    let requirement = requirement.map(str::parse).transpose();
    Ok(Root::new(id, requirement.map_err(|_| Error::BadArg)?))
}

fn versions(term: Term<'_>) -> NifResult<BTreeMap<Id, Version>> {
    list::<(Id, &str)>(term)?
        .into_iter()
        .map(|(id, version)| Ok((id, parse_version(version).map_err(|_| Error::BadArg)?)))
        .collect()
}

struct Solution(Result<BTreeMap<Id, usize>, SolveError<Id>>);

impl Encode for Solution {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match &self.0 {
            Ok(chosen) => (ok(), chosen.values().copied().collect::<Vec<_>>()).encode(env),
            Err(problem) => (error(), (reason(env, problem), problem.to_string())).encode(env),
        }
    }
}

fn reason<'a>(env: Env<'a>, problem: &SolveError<Id>) -> Term<'a> {
    match problem {
        SolveError::DuplicateRelease { id, version } => {
            (duplicate_release(), id, version.to_string()).encode(env)
        }
        SolveError::Conflict(problem) => {
            let causes: Vec<_> = problem
                .causes
                .iter()
                .map(|cause| (kind(&cause.kind), &cause.name))
                .collect();
            (conflict(), causes).encode(env)
        }
    }
}

fn kind(kind: &CauseKind<Id>) -> Atom {
    match kind {
        CauseKind::MissingPlugin { .. } => missing_plugin(),
        CauseKind::MissingCapability { .. } => missing_capability(),
        CauseKind::NoCommonProvider { .. } => no_common_provider(),
        CauseKind::NoVersion { .. } => no_version(),
        CauseKind::PreReleaseOnly { .. } => pre_release_only(),
        CauseKind::Disagreement { .. } => disagreement(),
        CauseKind::Narrowed { .. } => narrowed(),
    }
}
