//! Points that are no chains.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pipeline_core::hook::{Attachment, Cause, HookKind, Listener, Listeners, OnError};

use super::case::{Trail, Trails};

type Heard = Listener<Trails, Option<bool>>;

fn says(value: Option<bool>) -> Heard {
    Listener::new(move |_: &Trail| Ok(value))
}

fn fails() -> Heard {
    Listener::new(|_: &Trail| Err("no".to_owned()))
}

fn panics() -> Heard {
    Listener::new(|_: &Trail| panic!("ouch"))
}

fn listeners(hooks: Vec<Heard>) -> Listeners<Trails, Option<bool>> {
    let names = ["a", "b", "c", "d"];
    let hooks = hooks.into_iter().zip(names).zip(0..);
    let hooks = hooks
        .map(|((hook, name), number)| Attachment::new(name, number, hook))
        .collect();
    Listeners::new("route", hooks, |_| &[]).unwrap()
}

#[test]
fn the_first_value_wins_and_false_is_one() {
    let heard = listeners(vec![says(None), says(Some(false)), panics()]);
    assert_eq!(
        heard.first(&Trail::default(), &mut Vec::new()).unwrap(),
        Some(false)
    );
    assert_eq!(
        listeners(vec![says(None)])
            .first(&Trail::default(), &mut Vec::new())
            .unwrap(),
        None
    );
}

#[test]
fn all_values_are_collected_in_order() {
    let heard = listeners(vec![says(Some(true)), says(None), says(Some(false))]);
    let values = heard.collect(&Trail::default(), &mut Vec::new()).unwrap();
    assert_eq!(values, [Some(true), None, Some(false)]);
}

#[test]
fn a_failure_ahead_of_the_first_value_halts() {
    let heard = listeners(vec![fails(), says(Some(true))]);
    let error = heard.first(&Trail::default(), &mut Vec::new()).unwrap_err();
    assert_eq!(
        (error.plugin, error.kind, error.index),
        ("a".into(), HookKind::Listen, 0)
    );
    assert!(heard.collect(&Trail::default(), &mut Vec::new()).is_err());
}

#[test]
fn a_skipped_failure_is_told_and_leaves_no_value() {
    let heard = listeners(vec![panics().on_error(OnError::Skip), says(Some(true))]);
    let mut skipped = Vec::new();
    assert_eq!(
        heard.first(&Trail::default(), &mut skipped).unwrap(),
        Some(true)
    );
    assert_eq!(
        heard.collect(&Trail::default(), &mut skipped).unwrap(),
        [Some(true)]
    );
    assert_eq!(skipped.len(), 2);
    assert!(
        skipped
            .iter()
            .all(|error| error.cause == Cause::Panicked("ouch".to_owned()))
    );
}

#[test]
fn all_are_notified_whatever_one_does() {
    let count = Arc::new(AtomicUsize::new(0));
    let counts = || {
        let count = count.clone();
        Listener::new(move |_: &Trail| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        })
    };
    let heard = listeners(vec![counts(), panics(), fails(), counts()]);
    let failed = heard.notify(&Trail::default());
    assert_eq!(count.load(Ordering::Relaxed), 2);
    assert_eq!(
        failed.iter().map(|error| error.index).collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn listeners_follow_the_order_of_hooks() {
    let hooks = vec![
        Attachment::new("a", 1, says(None)),
        Attachment::new("b", 2, says(None)).priority(90),
        Attachment::new("c", 3, says(None)).before("b"),
    ];
    let heard = Listeners::new("route", hooks, |_| &[]).unwrap();
    assert_eq!(heard.plugins(), ["c".into(), "b".into(), "a".into()]);
}
