use crate::context::TermContext;
use crate::failure::Failure;
use crate::hook::{Flow, Phase};
use crate::segment::FailureTerm;
use rustler::{Encoder, Env, Term};

rustler::atoms! { answer, declined, failed, ok, refused }

/// `{:ok, context}`, `{:answer, context}`, `{:declined, context}`, `{:refused, reason}` or `{:failed, message}`: what
/// came of one hook.
pub(super) fn outcome<'a>(
    env: Env<'a>,
    phase: Phase,
    context: &TermContext<'a>,
    result: Result<Flow, Failure>,
) -> Term<'a> {
    match (result, phase) {
        (Ok(Flow::Answer), Phase::Before) => (answer(), context.finish()).encode(env),
        (Ok(Flow::Decline), Phase::Replace) => (declined(), context.finish()).encode(env),
        (Ok(_), _) => (ok(), context.finish()).encode(env),
        (Err(failure), _) => match FailureTerm::of(failure, env) {
            FailureTerm::Refused(reason) => (refused(), reason).encode(env),
            FailureTerm::Failed(message) => (failed(), message).encode(env),
        },
    }
}
