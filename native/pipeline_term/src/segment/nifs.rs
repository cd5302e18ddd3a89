//! The functions that a library with native hooks exports; whichever library links this crate gets them.
use super::{OnError, Segment, SegmentError, Step};
use crate::around::AroundResource;
use crate::blocking::AsyncResource;
use crate::data::{AtomName, Data, fixed_atom};
use crate::hook::{
    ConfigError, ConfigProblem, Configured, Hook, LookupError, PathElement, Phase, Registration,
};
use rustler::{Encoder, Env, Error, NifResult, Resource, ResourceArc, Term};

rustler::atoms! {
    after, ambiguous_hook, before, cost, doc, error, halt, invalid_config, name, ok, phases, raise, replace, skip,
    unknown_hook, wrong_phase,
}

/// A configured hook, held by a term.
pub(crate) struct HookResource(pub(crate) Hook);

/// A segment, held by a term.
struct SegmentResource(Segment);

#[rustler::resource_impl]
impl Resource for HookResource {}

#[rustler::resource_impl]
impl Resource for SegmentResource {}

/// `[%{name: binary, phases: [atom], cost: atom, doc: binary}]`, by name.
#[rustler::nif]
fn native_hooks(env: Env<'_>) -> NifResult<Term<'_>> {
    let described = Registration::all().into_iter().map(|registration| {
        let phase_names: Vec<Term<'_>> = registration
            .kinds()
            .into_iter()
            .map(|kind| fixed_atom(env, kind))
            .collect();
        Term::map_from_pairs(
            env,
            &[
                (name(), registration.name.encode(env)),
                (phases(), phase_names.encode(env)),
                (cost(), fixed_atom(env, registration.cost.name())),
                (doc(), registration.doc.encode(env)),
            ],
        )
    });
    Ok(described.collect::<NifResult<Vec<_>>>()?.encode(env))
}

/// `{:ok, hook}`, `{:error, {:unknown_hook, name, did_you_mean | nil}}`, `{:error, {:ambiguous_hook, name}}` or
/// `{:error, {:invalid_config, path, message}}`. On a dirty scheduler, since patterns and schemas take time to compile.
#[rustler::nif(schedule = "DirtyCpu")]
fn native_hook<'a>(env: Env<'a>, given: Term<'a>, config: Term<'a>) -> NifResult<Term<'a>> {
    let wanted = match AtomName::from_term(given) {
        Some(atom) => atom.name().to_owned(),
        None => given.decode()?,
    };
    let registration = match Registration::find(&wanted) {
        Ok(registration) => registration,
        Err(LookupError::Unknown { did_you_mean }) => {
            return Ok((error(), (unknown_hook(), given, did_you_mean)).encode(env));
        }
        Err(LookupError::Ambiguous) => return Ok((error(), (ambiguous_hook(), given)).encode(env)),
    };
    let configured = Data::from_term(config)
        .map_err(|problem| ConfigError::whole(ConfigProblem::Data(problem)))
        .and_then(|config| registration.configure(config));
    Ok(match configured {
        Ok(Configured::Hook(hook)) => (ok(), ResourceArc::new(HookResource(hook))).encode(env),
        Ok(Configured::Around(around)) => {
            (ok(), ResourceArc::new(AroundResource(around))).encode(env)
        }
        Ok(Configured::Async(hook)) => (ok(), ResourceArc::new(AsyncResource(hook))).encode(env),
        Err(problem) => {
            let path: Vec<Term<'a>> = problem
                .path()
                .iter()
                .map(|element| match element {
                    PathElement::Field(field) => field.encode(env),
                    PathElement::Index(index) => index.encode(env),
                })
                .collect();
            (error(), (invalid_config(), path, problem.to_string())).encode(env)
        }
    })
}

/// A segment of `[{hook, on_error}]`, or `{:error, {:wrong_phase, index, name}}`.
#[rustler::nif]
fn segment<'a>(env: Env<'a>, phase: Term<'a>, steps: Term<'a>) -> NifResult<Term<'a>> {
    let phase = one_of(
        phase,
        [
            (before(), Phase::Before),
            (after(), Phase::After),
            (replace(), Phase::Replace),
        ],
    )?;
    // Checks that the list is proper: decoding an improper one panics.
    steps.list_length()?;
    let steps = steps
        .decode::<Vec<(ResourceArc<HookResource>, Term<'a>)>>()?
        .into_iter()
        .map(|(hook, on_error)| {
            let choices = [
                (halt(), OnError::Halt),
                (skip(), OnError::Skip),
                (raise(), OnError::Raise),
            ];
            Ok(Step {
                hook: hook.0.clone(),
                on_error: one_of(on_error, choices)?,
            })
        })
        .collect::<NifResult<Vec<_>>>()?;
    Ok(match Segment::new(phase, steps) {
        Ok(segment) => ResourceArc::new(SegmentResource(segment)).encode(env),
        Err(SegmentError::WrongPhase { index, name, .. }) => {
            (error(), (wrong_phase(), index, name)).encode(env)
        }
    })
}

/// Runs a segment; see [`Outcome`](super::Outcome) for what comes back.
#[rustler::nif]
fn run_segment<'a>(env: Env<'a>, segment: &SegmentResource, context: Term<'a>) -> Term<'a> {
    segment.0.run(env, context).encode(env)
}

/// The same on a dirty scheduler, for segments that take their time.
#[rustler::nif(schedule = "DirtyCpu")]
fn run_segment_dirty<'a>(env: Env<'a>, segment: &SegmentResource, context: Term<'a>) -> Term<'a> {
    segment.0.run(env, context).encode(env)
}

/// What `term` stands for among atoms.
pub(crate) fn one_of<T, const N: usize>(
    term: Term<'_>,
    choices: [(rustler::Atom, T); N],
) -> NifResult<T> {
    choices
        .into_iter()
        .find(|(atom, _)| *atom == term)
        .map(|(_, choice)| choice)
        .ok_or(Error::BadArg)
}
