//! The functions by which Elixir enters and leaves an around; whichever library links this crate exports
//! them.
use super::ended::kind_of;
use super::visit::Visit;
use super::{ConfiguredAround, Ended, Enter, InnerFailure, Leave};
use crate::context::TermContext;
use crate::failure::Failure;
use crate::held::VISITS;
use crate::segment::FailureTerm;
use rustler::types::atom;
use rustler::{Atom, Encoder, Env, Error, NifResult, Term};

rustler::atoms! { again, answer, failed, inside, pass, refused, value }

/// `{:inside, visit, context}`, `{:answer, value}`, `{:refused, reason}` or `{:failed, message}`.
#[rustler::nif]
fn enter_around<'a>(
    env: Env<'a>,
    around: &ConfiguredAround,
    context: Term<'a>,
) -> NifResult<Term<'a>> {
    enter(env, around, context)
}

/// The same on a dirty scheduler.
#[rustler::nif(schedule = "DirtyCpu")]
fn enter_around_dirty<'a>(
    env: Env<'a>,
    around: &ConfiguredAround,
    context: Term<'a>,
) -> NifResult<Term<'a>> {
    enter(env, around, context)
}

/// `:pass`, `{:value, value}`, `{:again, context, milliseconds}`, `{:refused, reason}` or
/// `{:failed, message}` for a visit, the context that went in, and `{:ok, value}` or
/// `{:error | :exit | :throw | :refused, reason}` that came out.
#[rustler::nif]
fn leave_around<'a>(
    env: Env<'a>,
    around: &ConfiguredAround,
    visit: &Visit,
    context: Term<'a>,
    ended: (Atom, Term<'a>),
) -> NifResult<Term<'a>> {
    leave(env, around, visit, context, ended)
}

/// The same on a dirty scheduler.
#[rustler::nif(schedule = "DirtyCpu")]
fn leave_around_dirty<'a>(
    env: Env<'a>,
    around: &ConfiguredAround,
    visit: &Visit,
    context: Term<'a>,
    ended: (Atom, Term<'a>),
) -> NifResult<Term<'a>> {
    leave(env, around, visit, context, ended)
}

fn enter<'a>(env: Env<'a>, around: &ConfiguredAround, term: Term<'a>) -> NifResult<Term<'a>> {
    let mut context = TermContext::new(env, term);
    Ok(match around.enter(&mut context) {
        Ok(Enter::Inside(state)) => {
            let visit = VISITS.hold(env, Visit::new(state))?;
            (inside(), visit, context.finish()).encode(env)
        }
        Ok(Enter::Answer) => (answer(), context.finish()).encode(env),
        Ok(Enter::AnswerWith(term)) => (answer(), term).encode(env),
        Err(failure) => fault(env, failure),
    })
}

fn leave<'a>(
    env: Env<'a>,
    around: &ConfiguredAround,
    visit: &Visit,
    term: Term<'a>,
    (outcome, came_out): (Atom, Term<'a>),
) -> NifResult<Term<'a>> {
    let ended = if outcome == atom::ok() {
        Ended::Value(came_out)
    } else {
        let kind = kind_of(outcome).ok_or(Error::BadArg)?;
        let reason = came_out;
        Ended::Failed(InnerFailure { kind, reason })
    };
    let mut state = visit.take().ok_or(Error::BadArg)?;
    let mut context = TermContext::new(env, term);
    let left = around.leave(&mut state, ended, &mut context);
    Ok(match left.ok_or(Error::BadArg)? {
        Ok(Leave::Pass) => pass().encode(env),
        Ok(Leave::Value(term)) => (value(), term).encode(env),
        Ok(Leave::Again { after }) => match visit.go_in_again(state) {
            Ok(()) => {
                // As long as a process can wait: 49 days.
                let millis = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
                (again(), context.finish(), millis).encode(env)
            }
            Err(too_often) => fault(env, Failure::of(too_often)),
        },
        Err(failure) => fault(env, failure),
    })
}

fn fault(env: Env<'_>, failure: Failure) -> Term<'_> {
    match FailureTerm::of(failure, env) {
        FailureTerm::Refused(reason) => (refused(), reason).encode(env),
        FailureTerm::Failed(message) => (failed(), message).encode(env),
    }
}
