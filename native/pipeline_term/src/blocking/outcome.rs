use crate::context::TermContext;
use crate::failure::Failure;
use crate::hook::{Flow, Phase};
use crate::segment::FailureTerm;
use pipeline_core::hook::verdict::{Returned, Verdict};
use rustler::{Encoder, Env, Term};

rustler::atoms! { answer, declined, failed, ok, refused }

/// `{:ok, context}`, `{:answer, context}`, `{:declined, context}`, `{:refused, reason}` or
/// `{:failed, message}`: what came of one hook.
pub(super) fn outcome<'a>(
    env: Env<'a>,
    phase: Phase,
    context: &TermContext<'a>,
    result: Result<Flow, Failure>,
) -> Term<'a> {
    let verdict = result.map(|flow| Returned::from(flow).verdict(phase.kind()));
    match verdict {
        Ok(Verdict::Answer) => (answer(), context.finish()).encode(env),
        Ok(Verdict::Decline) => (declined(), context.finish()).encode(env),
        Ok(Verdict::Next | Verdict::Result) => (ok(), context.finish()).encode(env),
        Err(failure) => match FailureTerm::of(failure, env) {
            FailureTerm::Refused(reason) => (refused(), reason).encode(env),
            FailureTerm::Failed(message) => (failed(), message).encode(env),
        },
    }
}
