//! Random chains come out as the model says.

use pipeline_core::hook::{HookKind, OnError};
use proptest::prelude::*;
use proptest::sample::select;

use super::case::{Act, HookCase, run};
use super::model;

const NAMES: [&str; 10] = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];

fn any_hook() -> impl Strategy<Value = (HookKind, Act, OnError)> {
    let kind = select(vec![
        HookKind::Around,
        HookKind::Before,
        HookKind::Replace,
        HookKind::After,
    ]);
    let on_error = select(vec![OnError::Halt, OnError::Skip]);
    (kind, on_error).prop_flat_map(|(kind, on_error)| {
        let acts = match kind {
            HookKind::Before => vec![
                Act::Pass,
                Act::Pass,
                Act::Pass,
                Act::Answer,
                Act::Fail,
                Act::Panic,
            ],
            HookKind::After => vec![Act::Pass, Act::Pass, Act::Fail, Act::Panic],
            _ => vec![
                Act::Pass,
                Act::Pass,
                Act::Pass,
                Act::Answer,
                Act::Fail,
                Act::Panic,
                Act::FailLate,
                Act::Twice,
            ],
        };
        select(acts).prop_map(move |act| (kind, act, on_error))
    })
}

fn any_chain() -> impl Strategy<Value = Vec<HookCase>> {
    prop::collection::vec(any_hook(), 0..NAMES.len()).prop_map(|hooks| {
        let named = hooks.into_iter().zip(NAMES);
        named
            .map(|((kind, act, on_error), name)| HookCase {
                kind,
                name,
                act,
                on_error,
            })
            .collect()
    })
}

fn any_core() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![6 => Just(Act::Pass), 1 => Just(Act::Fail), 1 => Just(Act::Panic)];
    prop::collection::vec(act, 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_chain_does_what_the_model_says(cases in any_chain(), core in any_core()) {
        let expected = model::run(&cases, &core);
        #[cfg(feature = "async")]
        prop_assert_eq!(&super::waiting::run(&cases, &core), &expected);
        prop_assert_eq!(run(&cases, &core), expected);
    }
}
