//! The functions by which Elixir code asks a breaker. Those of a library know the breakers of that library
//! alone. The clock is here, so that a call that a closed breaker admits does not read one.

#![allow(
    clippy::needless_pass_by_value,
    reason = "arguments are decoded into values of their own"
)]

use super::encoded_transition::name;
use super::{BreakerResource, EncodedTransition};
use crate::schedule::now;
use pipeline_core::breaker::{Admission, Breaker, Permit, Settings};
use rustler::{Atom, Encoder, Env, ResourceArc, Term};

rustler::atoms! { error, ok, refused, trial }

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
        Admission::Trial(permit, moved) => {
            (trial(), permit.number(), moved.map(EncodedTransition)).encode(env)
        }
        Admission::Refused => refused().encode(env),
    }
}

/// The transition that it made, or `nil`.
#[rustler::nif]
fn breaker_failed(breaker: ResourceArc<BreakerResource>, permit: u32) -> Option<EncodedTransition> {
    let moved = breaker.0.failed(Permit::from_number(permit), now());
    moved.map(EncodedTransition)
}

/// The transition that it made, or `nil`.
#[rustler::nif]
fn breaker_passed(breaker: ResourceArc<BreakerResource>, permit: u32) -> Option<EncodedTransition> {
    breaker
        .0
        .passed(Permit::from_number(permit))
        .map(EncodedTransition)
}

/// The transition that it made, or `nil`.
#[rustler::nif]
fn breaker_reset(breaker: ResourceArc<BreakerResource>) -> Option<EncodedTransition> {
    breaker.0.reset().map(EncodedTransition)
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
