//! The functions that a library with native hooks exports; whichever library links this crate gets them.
use super::metered_segment::MeteredSegment;
use super::{Segment, SegmentError, SegmentStep};
use crate::circuit::SegmentCircuit;
use crate::data::{AtomName, Data, fixed_atom};
use crate::held::{AROUNDS, ASYNC_HOOKS, HOOKS, SEGMENTS};
use crate::hook::{
    ConfigError, ConfigProblem, Configured, ConfiguredHook, Field, LookupError, PathElement, Phase,
    Registration,
};
use crate::schedule::Budget;
use pipeline_core::hook::OnError;
use rustler::{Encoder, Env, Error, NifResult, Term};

rustler::atoms! {
    after, ambiguous_hook, before, cost, default, doc, error, example, fields, halt, infinity, invalid_config, name, ok,
    phases, purpose, raise, refuses, replace, returns, skip, type_ = "type", unknown_hook, wrong_phase,
}

/// `[%{name: binary, phases: [atom], cost: atom, doc: binary}]`, by name, each with its description:
/// `purpose`, `returns` and `example`, binaries; `refuses`, a list of them; `fields`, maps of `name`, `type`,
/// `default` (`nil` if it has to be given) and `doc`.
#[rustler::nif]
fn native_hooks(env: Env<'_>) -> NifResult<Term<'_>> {
    let described = Registration::all().into_iter().map(|registration| {
        let phase_names: Vec<Term<'_>> = registration
            .kinds()
            .into_iter()
            .map(|kind| fixed_atom(env, kind))
            .collect();
        let about = &registration.description;
        let described_fields = about.fields.iter().map(|field| described(env, field));
        Term::map_from_pairs(
            env,
            &[
                (name(), registration.name.encode(env)),
                (phases(), phase_names.encode(env)),
                (cost(), fixed_atom(env, registration.cost.name())),
                (doc(), registration.doc.encode(env)),
                (purpose(), about.purpose.encode(env)),
                (
                    fields(),
                    described_fields.collect::<NifResult<Vec<_>>>()?.encode(env),
                ),
                (returns(), about.returns.encode(env)),
                (refuses(), about.refuses.encode(env)),
                (example(), about.example.encode(env)),
            ],
        )
    });
    Ok(described.collect::<NifResult<Vec<_>>>()?.encode(env))
}

fn described<'a>(env: Env<'a>, field: &Field) -> NifResult<Term<'a>> {
    Term::map_from_pairs(
        env,
        &[
            (name(), field.name.encode(env)),
            (type_(), field.ty.encode(env)),
            (default(), field.default.encode(env)),
            (doc(), field.doc.encode(env)),
        ],
    )
}

/// `{:ok, hook}`, `{:error, {:unknown_hook, name, did_you_mean | nil}}`, `{:error, {:ambiguous_hook, name}}`
/// or `{:error, {:invalid_config, path, message}}`. On a dirty scheduler, since patterns and schemas take
/// time to compile.
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
        Ok(Configured::Hook(hook)) => (ok(), HOOKS.hold(env, hook)?).encode(env),
        Ok(Configured::Around(around)) => (ok(), AROUNDS.hold(env, around)?).encode(env),
        Ok(Configured::Async(hook)) => (ok(), ASYNC_HOOKS.hold(env, hook)?).encode(env),
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

/// A segment of `[{hook, on_error}]`, or `{hook, on_error, breaker}` for one with a circuit, that may keep a
/// normal scheduler for `budget` microseconds or for `:infinity`, or `{:error, {:wrong_phase, index, name}}`.
#[rustler::nif]
fn segment<'a>(
    env: Env<'a>,
    phase: Term<'a>,
    steps: Term<'a>,
    budget: Term<'a>,
) -> NifResult<Term<'a>> {
    let budget = if infinity() == budget {
        Budget::INFINITE
    } else {
        Budget::of_micros(budget.decode()?)
    };
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
        .decode::<Vec<Term<'a>>>()?
        .into_iter()
        .map(step)
        .collect::<NifResult<Vec<_>>>()?;
    match Segment::new(phase, steps) {
        Ok(segment) => SEGMENTS.hold(env, MeteredSegment::new(segment, budget)),
        Err(SegmentError::WrongPhase { index, name, .. }) => {
            Ok((error(), (wrong_phase(), index, name)).encode(env))
        }
    }
}

fn step(term: Term<'_>) -> NifResult<SegmentStep> {
    let (hook, on_error, circuit) =
        if let Ok((hook, on_error)) = term.decode::<(&ConfiguredHook, Term<'_>)>() {
            (hook, on_error, None)
        } else {
            let (hook, on_error, circuit) =
                term.decode::<(&ConfiguredHook, Term<'_>, &SegmentCircuit)>()?;
            (hook, on_error, Some(circuit.clone()))
        };
    let choices = [
        (halt(), OnError::Halt),
        (skip(), OnError::Skip),
        // It is the caller that raises.
        (raise(), OnError::Halt),
    ];
    Ok(SegmentStep::new(
        hook.clone(),
        one_of(on_error, choices)?,
        circuit,
    ))
}

/// The choice that the atom `term` names.
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
