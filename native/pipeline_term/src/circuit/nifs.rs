//! The functions by which Elixir code asks a breaker. Those of a library know the breakers of that library
//! alone. The clock is here, so that a call that a closed breaker admits does not read one.

#![allow(
    clippy::needless_pass_by_value,
    reason = "arguments are decoded into values of their own"
)]

use super::encoded_transition::name;
use super::{EncodedTransition, SegmentCircuit};
use crate::held::CIRCUITS;
use crate::schedule::now;
use pipeline_core::breaker::{Admission, Breaker, Permit, Settings};
use rustler::{Atom, Encoder, Env, NifResult, Term};

rustler::atoms! { error, ok, refused, trial }

const MILLISECOND: u64 = 1_000_000;

/// `{:ok, breaker}` or `{:error, sentence}`; the times are in milliseconds.
#[rustler::nif]
fn breaker_new(
    env: Env<'_>,
    failures: u32,
    window: u64,
    cool_down: u64,
    trials: u32,
) -> NifResult<Term<'_>> {
    let window = window.saturating_mul(MILLISECOND);
    let cool_down = cool_down.saturating_mul(MILLISECOND);
    Ok(match Settings::new(failures, window, cool_down, trials) {
        Ok(settings) => {
            let circuit = SegmentCircuit::new(Breaker::new(settings));
            (ok(), CIRCUITS.hold(env, circuit)?).encode(env)
        }
        Err(wrong) => (error(), wrong.to_string()).encode(env),
    })
}

/// The permit, `{:trial, permit, transition | nil}` or `:refused`.
#[rustler::nif]
fn breaker_admit<'a>(env: Env<'a>, circuit: &SegmentCircuit) -> Term<'a> {
    match circuit.breaker().admit(now) {
        Admission::Admitted(permit) => permit.number().encode(env),
        Admission::Trial(permit, moved) => {
            (trial(), permit.number(), moved.map(EncodedTransition)).encode(env)
        }
        Admission::Refused => refused().encode(env),
    }
}

/// The transition that it made, or `nil`.
#[rustler::nif]
fn breaker_failed(circuit: &SegmentCircuit, permit: u32) -> Option<EncodedTransition> {
    let moved = circuit.breaker().failed(Permit::from_number(permit), now());
    moved.map(EncodedTransition)
}

/// The transition that it made, or `nil`.
#[rustler::nif]
fn breaker_passed(circuit: &SegmentCircuit, permit: u32) -> Option<EncodedTransition> {
    circuit
        .breaker()
        .passed(Permit::from_number(permit))
        .map(EncodedTransition)
}

/// The transition that it made, or `nil`.
#[rustler::nif]
fn breaker_reset(circuit: &SegmentCircuit) -> Option<EncodedTransition> {
    circuit.breaker().reset().map(EncodedTransition)
}

/// `{state, failures, opened, refused}`.
#[rustler::nif]
fn breaker_counts(circuit: &SegmentCircuit) -> (Atom, u32, u64, u64) {
    let counts = circuit.breaker().counts(now());
    (
        name(counts.state),
        counts.failures,
        counts.opened,
        counts.refused,
    )
}
