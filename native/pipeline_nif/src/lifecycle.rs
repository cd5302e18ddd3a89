//! The states of a plugin.

use pipeline_core::lifecycle::LifecycleState;
use rustler::{Atom, Encoder, Env, Error, NifResult, Term};

rustler::atoms! { discovered, draining, error, failed, held, loading, ok, resolved, started, stopped }

/// `:ok`, or `{:error, sentence}`.
#[rustler::nif]
fn lifecycle_enter(env: Env<'_>, from: Atom, to: Atom) -> NifResult<Term<'_>> {
    Ok(match state(from)?.enter(state(to)?) {
        Ok(_) => ok().encode(env),
        Err(illegal) => (error(), illegal.to_string()).encode(env),
    })
}

/// `[{state, idle?, [state that it can enter]}]`, of every state.
#[rustler::nif]
fn lifecycle_states() -> Vec<(Atom, bool, Vec<Atom>)> {
    let row = |state: LifecycleState| {
        let next = state.next().iter().copied().map(name).collect();
        (name(state), state.is_idle(), next)
    };
    LifecycleState::ALL.into_iter().map(row).collect()
}

fn state(atom: Atom) -> NifResult<LifecycleState> {
    LifecycleState::ALL
        .into_iter()
        .find(|&state| name(state) == atom)
        .ok_or(Error::BadArg)
}

fn name(state: LifecycleState) -> Atom {
    match state {
        LifecycleState::Discovered => discovered(),
        LifecycleState::Resolved => resolved(),
        LifecycleState::Loading => loading(),
        LifecycleState::Started => started(),
        LifecycleState::Held => held(),
        LifecycleState::Draining => draining(),
        LifecycleState::Stopped => stopped(),
        LifecycleState::Failed => failed(),
    }
}
