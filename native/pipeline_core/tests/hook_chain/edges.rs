//! Beyond the cases of the table: messages, limits, borrowed contexts, the order as seen from outside.

use std::cell::{Cell, RefCell};

use pipeline_core::hook::order::{Contradiction, Precedence, PrecedenceReason};
use pipeline_core::hook::{
    Attachment, Before, Cause, Chain, ChainError, ContextFamily, Flow, Hook, HookError, HookKind,
    Inner, MAX_NESTING, Next, OnError, RunFailure, WrapError,
};
use pipeline_core::plugin::PluginId;

use super::case::{Trail, Trails};

/// A context that borrows from its caller, and cannot be cloned.
struct Words<'a>(Vec<&'a str>);

struct Borrowed;

impl ContextFamily for Borrowed {
    type Context<'a> = Words<'a>;
    type Error = std::num::ParseIntError;
}

struct DropFirst;

impl Before<Borrowed> for DropFirst {
    fn before(&self, words: &mut Words<'_>) -> Result<Flow, std::num::ParseIntError> {
        words.0.remove(0);
        Ok(Flow::Continue)
    }
}

#[test]
fn a_context_may_borrow_and_an_error_be_any() {
    let number =
        Hook::<Borrowed>::after(|words: &mut Words<'_>| words.0[0].parse::<u8>().map(|_| ()));
    let around = Hook::around_fn(|words: &mut Words<'_>, next| {
        words.0.reverse();
        Ok(next.call(words)?)
    });
    let hooks = vec![
        Attachment::new("drop", 1, Hook::before(DropFirst)),
        Attachment::new("number", 2, number),
        Attachment::new("around", 3, around),
    ];
    let chain = Chain::new("point", hooks, |_| &[]).unwrap();
    let text = String::from("7 eight nine");
    let mut words = Words(text.split(' ').collect());
    let failure = chain
        .run(&mut words, |_| Ok(()), &mut Vec::new())
        .unwrap_err();
    assert_eq!(words.0, ["eight", "7"]);
    assert_eq!(
        failure.to_string(),
        "the after hook of number on point failed: invalid digit found in string"
    );
}

#[test]
fn messages_name_the_hook() {
    let hooks = vec![Attachment::new(
        PluginId::text("a b"),
        1,
        Hook::<Trails>::before(|_: &mut Trail| panic!("ouch")),
    )];
    let chain = Chain::new("validate_node", hooks, |_| &[]).unwrap();
    let failure = chain
        .run(&mut Trail::default(), |_| Ok(()), &mut Vec::new())
        .unwrap_err();
    assert_eq!(
        failure.to_string(),
        "the before hook of \"a b\" on validate_node panicked: ouch"
    );
}

#[test]
fn a_payload_that_is_no_text_is_told_so() {
    let hook = Hook::<Trails>::after(|_: &mut Trail| std::panic::panic_any(7));
    let chain = Chain::new("point", vec![Attachment::new("a", 1, hook)], |_| &[]).unwrap();
    let failure = chain
        .run(&mut Trail::default(), |_| Ok(()), &mut Vec::new())
        .unwrap_err();
    assert_eq!(
        failure.to_string(),
        "the after hook of a on point panicked: with a payload that is no text"
    );
}

thread_local! {
    static SMUGGLED: RefCell<Option<Inner<String>>> = const { RefCell::new(None) };
}

/// A number whose copies run out.
struct Scarce {
    number: u64,
    copies: Cell<u32>,
}

impl Clone for Scarce {
    fn clone(&self) -> Self {
        let left = self.copies.get().checked_sub(1);
        self.copies.set(left.expect("no copy is left"));
        Self {
            number: self.number,
            copies: self.copies.clone(),
        }
    }
}

impl ContextFamily for Scarce {
    type Context<'a> = Scarce;
    type Error = &'static str;
}

#[test]
fn a_context_that_cannot_be_copied_fails_the_run_and_keeps_what_was_done() {
    let double = || {
        Hook::<Scarce>::before(|context: &mut Scarce| {
            context.number *= 2;
            Ok(Flow::Continue)
        })
        .on_error(OnError::Skip)
    };
    let hooks = vec![
        Attachment::new("a", 1, double()),
        Attachment::new("b", 2, double()),
    ];
    let chain = Chain::new("point", hooks, |_| &[]).unwrap();
    let mut context = Scarce {
        number: 1,
        copies: Cell::new(1),
    };
    let mut skipped = Vec::new();
    let failure = chain
        .run(&mut context, |_| Ok(()), &mut skipped)
        .unwrap_err();
    assert_eq!(
        failure.to_string(),
        "the before hook of b on point panicked: no copy is left"
    );
    assert_eq!((context.number, skipped.len()), (2, 0));
}

#[test]
fn a_failure_from_elsewhere_cannot_be_handed_on() {
    let keep = Hook::<Trails>::around_fn(|trail, next| {
        SMUGGLED.set(next.call(trail).err());
        Ok(())
    });
    let chain = Chain::new("point", vec![Attachment::new("keep", 1, keep)], |_| &[]).unwrap();
    chain
        .run(
            &mut Trail::default(),
            |_| Err("core".to_owned()),
            &mut Vec::new(),
        )
        .unwrap();

    let give = Hook::<Trails>::around_fn(|_, _| Err(WrapError::Inner(SMUGGLED.take().unwrap())));
    let chain = Chain::new("point", vec![Attachment::new("give", 1, give)], |_| &[]).unwrap();
    let failure = chain
        .run(&mut Trail::default(), |_| Ok(()), &mut Vec::new())
        .unwrap_err();
    let RunFailure::Hook(HookError {
        plugin,
        cause: Cause::Stray,
        ..
    }) = failure
    else {
        panic!("{failure:?}")
    };
    assert_eq!(plugin, "give".into());
}

#[test]
fn an_earlier_failure_can_be_handed_on_after_a_later_success() {
    let hook = Hook::<Trails>::around_fn(|trail, next| {
        let first = next.call(trail);
        assert!(matches!(next.failure(), Some(RunFailure::Core(error)) if error == "core"));
        next.call(trail)?;
        Ok(first?)
    });
    let chain = Chain::new("point", vec![Attachment::new("a", 1, hook)], |_| &[]).unwrap();
    let mut calls = 0;
    let core = |_: &mut Trail| {
        calls += 1;
        if calls == 1 {
            Err("core".to_owned())
        } else {
            Ok(())
        }
    };
    let failure = chain
        .run(&mut Trail::default(), core, &mut Vec::new())
        .unwrap_err();
    assert!(matches!(failure, RunFailure::Core(_)), "{failure:?}");
    assert_eq!(calls, 2);
}

fn passing(count: usize) -> Vec<Attachment<Hook<Trails>>> {
    let pass = |number: usize| {
        let around = |trail: &mut Trail, next: &mut Next<'_, '_, Trails>| Ok(next.call(trail)?);
        let hook = if number.is_multiple_of(2) {
            Hook::around(around)
        } else {
            Hook::replace(around)
        };
        Attachment::new("a", number as u64, hook.on_error(OnError::Skip))
    };
    (0..count).map(pass).collect()
}

#[test]
fn the_deepest_chain_fits_the_stack_of_a_dirty_scheduler() {
    let run = || {
        let chain = Chain::new("point", passing(MAX_NESTING), |_| &[]).unwrap();
        let mut trail = Trail::default();
        let core = |trail: &mut Trail| {
            trail.push("core");
            Ok(())
        };
        chain.run(&mut trail, core, &mut Vec::new()).unwrap();
        trail
    };
    let trail = std::thread::Builder::new()
        .stack_size(320 * 1024)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(trail.0, ["core"]);
}

#[test]
fn a_deeper_chain_is_refused() {
    let refused = Chain::new("point", passing(MAX_NESTING + 1), |_| &[]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "point has 65 around and replace hooks, and 64 is the most; make some of them before or after hooks"
    );
}

#[test]
fn any_number_of_before_and_after_hooks_fits() {
    let run = || {
        let hook = |number: u64| {
            let push = Hook::<Trails>::before(|trail: &mut Trail| {
                trail.push("b");
                Ok(Flow::Continue)
            });
            Attachment::new("a", number, push)
        };
        let chain = Chain::new("point", (0..100_000).map(hook).collect(), |_| &[]).unwrap();
        let mut trail = Trail::default();
        chain.run(&mut trail, |_| Ok(()), &mut Vec::new()).unwrap();
        trail.0.len()
    };
    let count = std::thread::Builder::new()
        .stack_size(320 * 1024)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(count, 100_000);
}

#[test]
fn hooks_are_listed_in_the_order_in_which_they_run() {
    let pass = || Hook::<Trails>::before(|_: &mut Trail| Ok(Flow::Continue));
    let hooks = vec![
        Attachment::new("late", 1, Hook::after(|_: &mut Trail| Ok(()))),
        Attachment::new("low", 2, pass()).priority(10),
        Attachment::new("high", 3, pass()).priority(90),
        Attachment::new("mover", 4, pass()).after("low"),
        Attachment::new("first", 5, pass()).before("high"),
    ];
    let chain = Chain::new("point", hooks, |_| &[]).unwrap();
    let listed: Vec<String> = chain
        .hooks()
        .map(|(kind, plugin)| format!("{kind} {plugin}"))
        .collect();
    assert_eq!(
        listed,
        [
            "before first",
            "before high",
            "before low",
            "before mover",
            "after late"
        ]
    );
}

#[test]
fn a_contradiction_names_the_point() {
    let pass = || Hook::<Trails>::after(|_: &mut Trail| Ok(()));
    let hooks = vec![
        Attachment::new("a", 1, pass()).before("b"),
        Attachment::new("b", 2, pass()).before("a"),
    ];
    let refused = Chain::new("point", hooks, |_| &[]).unwrap_err();
    let step = |earlier: &str, later: &str| Precedence {
        earlier: PluginId::from(earlier),
        later: PluginId::from(later),
        reason: PrecedenceReason::DeclaredBefore,
    };
    let contradiction = Contradiction {
        kind: HookKind::After,
        cycle: vec![step("a", "b"), step("b", "a")],
    };
    assert_eq!(
        refused,
        ChainError::Contradiction {
            point: "point".into(),
            contradiction
        }
    );
    assert_eq!(
        refused.to_string(),
        "on point, the after hooks cannot be put in order: a before b (a declares before: b), b before a (b declares \
         before: a); remove one of the declared constraints"
    );
}
