use pipeline_core::breaker::{BreakerState, Transition, TransitionReason};
use rustler::{Atom, Encoder, Env, Term};

rustler::atoms! {
    closed, cool_down, failures, half_open, open, reset, trial_failed, trials_passed
}

/// A transition as Elixir code sees it: `{from, to, reason}`.
#[derive(Clone, Copy)]
pub(crate) struct EncodedTransition(pub(crate) Transition);

impl Encoder for EncodedTransition {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let Transition { from, to, reason } = self.0;
        let reason = match reason {
            TransitionReason::Failures => failures(),
            TransitionReason::CoolDown => cool_down(),
            TransitionReason::TrialFailed => trial_failed(),
            TransitionReason::TrialsPassed => trials_passed(),
            TransitionReason::Reset => reset(),
        };
        (name(from), name(to), reason).encode(env)
    }
}

/// The name that Elixir knows a state by.
pub(super) fn name(state: BreakerState) -> Atom {
    match state {
        BreakerState::Closed => closed(),
        BreakerState::Open => open(),
        BreakerState::HalfOpen => half_open(),
    }
}
