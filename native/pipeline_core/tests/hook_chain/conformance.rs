//! Every rule of the chain, one case each.

use pipeline_core::hook::HookKind::{After, Around, Before, Replace};

use super::case::{Act, Blame, HookCase, Outcome, hook, run, skipping};

struct Case {
    rule: &'static str,
    hooks: Vec<HookCase>,
    core: Vec<Act>,
    outcome: Outcome,
    skipped: Vec<Blame>,
}

fn done(trail: &str) -> Outcome {
    Outcome::Done(trail.split_whitespace().map(str::to_owned).collect())
}

fn failed(plugin: &str, kind: pipeline_core::hook::HookKind, index: usize) -> Blame {
    (plugin.to_owned(), kind, index, false)
}

fn panicked(plugin: &str, kind: pipeline_core::hook::HookKind, index: usize) -> Blame {
    (plugin.to_owned(), kind, index, true)
}

fn case(rule: &'static str, hooks: Vec<HookCase>, outcome: Outcome) -> Case {
    Case {
        rule,
        hooks,
        core: Vec::new(),
        outcome,
        skipped: Vec::new(),
    }
}

impl Case {
    fn core(mut self, core: &[Act]) -> Self {
        self.core = core.to_vec();
        self
    }

    fn skipped(mut self, skipped: Vec<Blame>) -> Self {
        self.skipped = skipped;
        self
    }
}

fn plain() -> Vec<Case> {
    vec![
        case("an empty point runs the core", vec![], done("core")),
        case(
            "the kinds nest, whatever order they were attached in",
            vec![
                hook(After, "z1", Act::Pass),
                hook(Around, "a1", Act::Pass),
                hook(Before, "b1", Act::Pass),
                hook(After, "z2", Act::Pass),
                hook(Around, "a2", Act::Pass),
                hook(Before, "b2", Act::Pass),
            ],
            done("a1 a2 b1 b2 core z1 z2 a2 a1"),
        ),
        case(
            "the first replace wins",
            vec![
                hook(Replace, "r1", Act::Answer),
                hook(Replace, "r2", Act::Pass),
            ],
            done("r1 r1"),
        ),
        case(
            "a replace falls back on the next and that on the core",
            vec![
                hook(Replace, "r1", Act::Pass),
                hook(Replace, "r2", Act::Pass),
            ],
            done("r1 r2 core r2 r1"),
        ),
        case(
            "an early answer skips later before hooks, replace and core, and after hooks see it",
            vec![
                hook(Around, "a", Act::Pass),
                hook(Before, "b1", Act::Answer),
                hook(Before, "b2", Act::Pass),
                hook(Replace, "r", Act::Pass),
                hook(After, "z", Act::Pass),
            ],
            done("a b1 z a"),
        ),
        case(
            "an around may leave next out",
            vec![
                hook(Around, "a1", Act::Answer),
                hook(Around, "a2", Act::Pass),
                hook(After, "z", Act::Pass),
            ],
            done("a1 a1"),
        ),
        case(
            "an around may call next twice",
            vec![
                hook(Around, "a", Act::Twice),
                hook(Before, "b", Act::Pass),
                hook(After, "z", Act::Pass),
            ],
            done("a b core z b core z a"),
        ),
        case(
            "an around may retry",
            vec![hook(Around, "a", Act::Retry)],
            done("a core core a"),
        )
        .core(&[Act::Fail]),
        case(
            "an around may retry after a panic",
            vec![hook(Around, "a", Act::Retry)],
            done("a core core a"),
        )
        .core(&[Act::Panic]),
        case(
            "an around may catch what comes out of a hook inside",
            vec![hook(Around, "a", Act::Catch), hook(Before, "b", Act::Panic)],
            done("a b caught a"),
        ),
        case(
            "a replace may catch what comes out of the core",
            vec![hook(Replace, "r", Act::Catch), hook(After, "z", Act::Pass)],
            done("r core caught r z"),
        )
        .core(&[Act::Fail]),
    ]
}

fn failing() -> Vec<Case> {
    let blamed = |blame| Outcome::HookFailed(blame);
    vec![
        case(
            "a failing before hook is named",
            vec![
                hook(Before, "b1", Act::Pass),
                hook(Before, "b2", Act::Fail),
                hook(After, "z", Act::Pass),
            ],
            blamed(failed("b2", Before, 1)),
        ),
        case(
            "a panicking after hook is named",
            vec![
                hook(Before, "b", Act::Pass),
                hook(After, "z1", Act::Pass),
                hook(After, "z2", Act::Panic),
            ],
            blamed(panicked("z2", After, 1)),
        ),
        case(
            "the failure of an inner hook is not an around's, which hands it on",
            vec![
                hook(Around, "a1", Act::Pass),
                hook(Around, "a2", Act::Pass),
                hook(Before, "b", Act::Fail),
            ],
            blamed(failed("b", Before, 0)),
        ),
        case(
            "an around that rescued what is inside and then failed is named itself",
            vec![
                hook(Around, "a1", Act::Pass),
                hook(Around, "a2", Act::FailLate),
                hook(Before, "b", Act::Fail),
            ],
            blamed(failed("a2", Around, 1)),
        ),
        case(
            "a panicking replace is named",
            vec![
                hook(Replace, "r1", Act::Pass),
                hook(Replace, "r2", Act::Panic),
            ],
            blamed(panicked("r2", Replace, 1)),
        ),
        case(
            "the core's failure is no hook's",
            vec![hook(Before, "b", Act::Pass)],
            Outcome::CoreFailed,
        )
        .core(&[Act::Fail]),
        case(
            "the core's failure is no hook's, also inside an around and a replace",
            vec![hook(Around, "a", Act::Pass), hook(Replace, "r", Act::Pass)],
            Outcome::CoreFailed,
        )
        .core(&[Act::Fail]),
        case(
            "the core's panic reaches the caller",
            vec![hook(Before, "b", Act::Pass)],
            Outcome::CorePanicked,
        )
        .core(&[Act::Panic]),
        case(
            "the core's panic reaches the caller through an around and a replace",
            vec![hook(Around, "a", Act::Pass), hook(Replace, "r", Act::Pass)],
            Outcome::CorePanicked,
        )
        .core(&[Act::Panic]),
    ]
}

fn skipped() -> Vec<Case> {
    vec![
        case(
            "a skipped before hook leaves no trace",
            vec![
                skipping(Before, "b1", Act::Fail),
                hook(Before, "b2", Act::Pass),
            ],
            done("b2 core"),
        )
        .skipped(vec![failed("b1", Before, 0)]),
        case(
            "one that panics is skipped likewise, and those beside it run once",
            vec![
                hook(Before, "b1", Act::Pass),
                skipping(Before, "b2", Act::Panic),
                skipping(Before, "b3", Act::Pass),
                skipping(After, "z1", Act::Panic),
                hook(After, "z2", Act::Pass),
            ],
            done("b1 b3 core z2"),
        )
        .skipped(vec![panicked("b2", Before, 1), panicked("z1", After, 0)]),
        case(
            "a skipped hook does not keep a later one from halting",
            vec![
                skipping(Before, "b1", Act::Fail),
                hook(Before, "b2", Act::Fail),
            ],
            Outcome::HookFailed(failed("b2", Before, 1)),
        )
        .skipped(vec![failed("b1", Before, 0)]),
        case(
            "an around skipped ahead of next goes on inside",
            vec![
                skipping(Around, "a", Act::Fail),
                hook(Before, "b", Act::Pass),
            ],
            done("b core"),
        )
        .skipped(vec![failed("a", Around, 0)]),
        case(
            "an around skipped after next yields what next gave, and nothing runs twice",
            vec![
                skipping(Around, "a", Act::FailLate),
                hook(Before, "b", Act::Pass),
            ],
            done("a b core"),
        )
        .skipped(vec![failed("a", Around, 0)]),
        case(
            "an around skipped after next failed yields that failure",
            vec![
                skipping(Around, "a", Act::FailLate),
                hook(Before, "b", Act::Fail),
            ],
            Outcome::HookFailed(failed("b", Before, 0)),
        )
        .skipped(vec![failed("a", Around, 0)]),
        case(
            "an around that hands a failure on is not skipped for it",
            vec![skipping(Around, "a", Act::Pass)],
            Outcome::CoreFailed,
        )
        .core(&[Act::Fail]),
        case(
            "a skipped replace gives way to the next",
            vec![
                skipping(Replace, "r1", Act::Panic),
                hook(Replace, "r2", Act::Answer),
            ],
            done("r2 r2"),
        )
        .skipped(vec![panicked("r1", Replace, 0)]),
        case(
            "a replace skipped after next keeps what next gave",
            vec![skipping(Replace, "r", Act::FailLate)],
            done("r core"),
        )
        .skipped(vec![failed("r", Replace, 0)]),
        case(
            "failures are told in the order in which they happened",
            vec![
                skipping(Around, "a", Act::FailLate),
                skipping(Before, "b", Act::Fail),
                skipping(Replace, "r", Act::Fail),
                skipping(After, "z", Act::Fail),
            ],
            done("a core"),
        )
        .skipped(vec![
            failed("b", Before, 0),
            failed("r", Replace, 0),
            failed("z", After, 0),
            failed("a", Around, 0),
        ]),
    ]
}

#[track_caller]
fn assert_all(cases: Vec<Case>) {
    for case in cases {
        let expected = (case.outcome, case.skipped);
        assert_eq!(run(&case.hooks, &case.core), expected, "{}", case.rule);
        #[cfg(feature = "async")]
        assert_eq!(
            super::waiting::run(&case.hooks, &case.core),
            expected,
            "async: {}",
            case.rule
        );
    }
}

#[test]
fn chains_run_as_they_should() {
    assert_all(plain());
}

#[test]
fn failures_are_attributed() {
    assert_all(failing());
}

#[test]
fn skipped_hooks_are_as_if_not_there() {
    assert_all(skipped());
}
