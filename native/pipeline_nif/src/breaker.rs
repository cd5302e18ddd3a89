//! The circuit breaker of a hook. Its clock is here, so that a call that a closed breaker admits does not read one.

use std::sync::LazyLock;
use std::time::Instant;

use pipeline_core::breaker::{Admission, Breaker, Permit, Reason, Settings, State, Transition};
use rustler::{Atom, Encoder, Env, Resource, ResourceArc, Term};

rustler::atoms! {
    closed, cool_down, error, failures, half_open, nil, ok, open, refused, reset, trial, trial_failed, trials_passed
}

struct BreakerResource(Breaker);

#[rustler::resource_impl]
impl Resource for BreakerResource {}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the library was first asked; enough for 584 years.
fn now() -> u64 {
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

const MILLISECOND: u64 = 1_000_000;

/// `{:ok, breaker}` or `{:error, sentence}`; the times are in milliseconds.
#[rustler::nif]
fn breaker_new(env: Env<'_>, failures: u32, window: u64, cool_down: u64, trials: u32) -> Term<'_> {
    let window = window.saturating_mul(MILLISECOND);
    let cool_down = cool_down.saturating_mul(MILLISECOND);
    match Settings::new(failures, window, cool_down, trials) {
        Ok(settings) => {
            let breaker = ResourceArc::new(BreakerResource(Breaker::new(settings)));
            (ok(), breaker).encode(env)
        }
        Err(wrong) => (error(), wrong.to_string()).encode(env),
    }
}

/// The permit, `{:trial, permit, transition | nil}` or `:refused`.
#[rustler::nif]
fn breaker_admit(env: Env<'_>, breaker: ResourceArc<BreakerResource>) -> Term<'_> {
    match breaker.0.admit(now) {
        Admission::Admitted(permit) => permit.number().encode(env),
        Admission::Trial(permit, moved) => (trial(), permit.number(), told(env, moved)).encode(env),
        Admission::Refused => refused().encode(env),
    }
}

/// The transition that it made, or `nil`.
#[rustler::nif]
fn breaker_failed(env: Env<'_>, breaker: ResourceArc<BreakerResource>, permit: u32) -> Term<'_> {
    told(env, breaker.0.failed(Permit::from_number(permit), now()))
}

/// The transition that it made, or `nil`.
#[rustler::nif]
fn breaker_passed(env: Env<'_>, breaker: ResourceArc<BreakerResource>, permit: u32) -> Term<'_> {
    told(env, breaker.0.passed(Permit::from_number(permit)))
}

/// The transition that it made, or `nil`.
#[rustler::nif]
fn breaker_reset(env: Env<'_>, breaker: ResourceArc<BreakerResource>) -> Term<'_> {
    told(env, breaker.0.reset())
}

/// `{state, failures, opened, refused}`.
#[rustler::nif]
fn breaker_counts(breaker: ResourceArc<BreakerResource>) -> (Atom, u32, u64, u64) {
    let counts = breaker.0.counts(now());
    (
        name(counts.state),
        counts.failures,
        counts.opened,
        counts.refused,
    )
}

/// `{from, to, reason}`.
fn told(env: Env<'_>, moved: Option<Transition>) -> Term<'_> {
    let Some(Transition { from, to, reason }) = moved else {
        return nil().encode(env);
    };
    let reason = match reason {
        Reason::Failures => failures(),
        Reason::CoolDown => cool_down(),
        Reason::TrialFailed => trial_failed(),
        Reason::TrialsPassed => trials_passed(),
        Reason::Reset => reset(),
    };
    (name(from), name(to), reason).encode(env)
}

fn name(state: State) -> Atom {
    match state {
        State::Closed => closed(),
        State::Open => open(),
        State::HalfOpen => half_open(),
    }
}
