use pipeline_core::breaker::{Reason, State, Transition};
use rustler::{Atom, Encoder, Env, Term};

rustler::atoms! {
    closed, cool_down, failures, half_open, open, reset, trial_failed, trials_passed
}

/// A transition as Elixir code sees it: `{from, to, reason}`.
#[derive(Clone, Copy)]
pub(crate) struct Change(pub(crate) Transition);

impl Encoder for Change {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let Transition { from, to, reason } = self.0;
        let reason = match reason {
            Reason::Failures => failures(),
            Reason::CoolDown => cool_down(),
            Reason::TrialFailed => trial_failed(),
            Reason::TrialsPassed => trials_passed(),
            Reason::Reset => reset(),
        };
        (name(from), name(to), reason).encode(env)
    }
}

/// The name that Elixir knows a state by.
pub(super) fn name(state: State) -> Atom {
    match state {
        State::Closed => closed(),
        State::Open => open(),
        State::HalfOpen => half_open(),
    }
}
