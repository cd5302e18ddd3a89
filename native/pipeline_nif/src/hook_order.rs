//! The order of the hooks on a point.

use std::collections::HashMap;

use pipeline_core::hook::HookKind;
use pipeline_core::hook::order::{OrderEntry, order};
use rustler::{Atom, Decoder, Encoder, Env, Error, NifResult, Term};

use crate::id::Id;

rustler::atoms! { after, around, before, error, listen, ok, replace }

struct HookKindTerm(HookKind);

impl<'a> Decoder<'a> for HookKindTerm {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        let atom = Atom::from_term(term)?;
        [
            (around(), HookKind::Around),
            (before(), HookKind::Before),
            (replace(), HookKind::Replace),
            (after(), HookKind::After),
            (listen(), HookKind::Listen),
        ]
        .into_iter()
        .find_map(|(name, kind)| (name == atom).then_some(Self(kind)))
        .ok_or(Error::BadArg)
    }
}

type HookTuple<'a> = (Id, HookKindTerm, i64, u64, Term<'a>, Term<'a>);

/// `{:ok, indices}`, or `{:error, sentence}` where constraints contradict each other.
#[rustler::nif(schedule = "DirtyCpu")]
fn hook_order<'a>(env: Env<'a>, hooks: Term<'a>, dependencies: Term<'a>) -> NifResult<Term<'a>> {
    ordered(env, hooks, dependencies)
}

/// The same for so few hooks that it takes less time than a change of schedulers.
#[rustler::nif]
fn hook_order_of_few<'a>(
    env: Env<'a>,
    hooks: Term<'a>,
    dependencies: Term<'a>,
) -> NifResult<Term<'a>> {
    ordered(env, hooks, dependencies)
}

fn ordered<'a>(env: Env<'a>, hooks: Term<'a>, dependencies: Term<'a>) -> NifResult<Term<'a>> {
    let entries = list::<HookTuple<'_>>(hooks)?
        .into_iter()
        .map(
            |(plugin, HookKindTerm(kind), priority, registration, before, after)| {
                Ok(OrderEntry::new(plugin, kind, priority, registration)
                    .before(list::<Id>(before)?)
                    .after(list::<Id>(after)?))
            },
        )
        .collect::<NifResult<Vec<_>>>()?;
    let dependencies = list::<(Id, Term<'_>)>(dependencies)?
        .into_iter()
        .map(|(plugin, needed)| Ok((plugin, list::<Id>(needed)?)))
        .collect::<NifResult<HashMap<_, _>>>()?;

    let order = order(&entries, |id| {
        dependencies.get(id).map_or(&[], Vec::as_slice)
    });
    Ok(match order {
        Ok(indices) => (ok(), indices).encode(env),
        Err(contradiction) => (error(), contradiction.to_string()).encode(env),
    })
}

/// A proper list: decoding an improper one panics.
pub(crate) fn list<'a, T: Decoder<'a>>(term: Term<'a>) -> NifResult<Vec<T>> {
    term.list_length()?;
    term.decode()
}
