//! The order of hooks on one point: examples with their exact outcome, exact messages, and random points
//! against an independently written checker.

use std::collections::{BTreeMap, BTreeSet};

use pipeline_core::hook::HookKind;
use pipeline_core::hook::order::{Contradiction, OrderEntry, Precedence, PrecedenceReason, order};
use proptest::prelude::*;

type Dependencies = BTreeMap<&'static str, Vec<&'static str>>;

fn hook(plugin: &'static str, priority: i64, registration: u64) -> OrderEntry<&'static str> {
    OrderEntry::new(plugin, HookKind::Before, priority, registration)
}

fn ordered(
    hooks: &[OrderEntry<&'static str>],
    dependencies: &Dependencies,
) -> Result<Vec<&'static str>, Contradiction<&'static str>> {
    let sequence = order(hooks, |id| dependencies.get(id).map_or(&[], Vec::as_slice))?;
    Ok(sequence
        .into_iter()
        .map(|index| hooks[index].plugin)
        .collect())
}

#[track_caller]
fn assert_order(hooks: &[OrderEntry<&'static str>], expected: &[&str]) {
    assert_eq!(ordered(hooks, &Dependencies::new()).unwrap(), expected);
}

#[track_caller]
fn assert_order_with(
    hooks: &[OrderEntry<&'static str>],
    dependencies: &Dependencies,
    expected: &[&str],
) {
    assert_eq!(ordered(hooks, dependencies).unwrap(), expected);
}

#[track_caller]
fn assert_refused(hooks: &[OrderEntry<&'static str>], message: &str) {
    assert_eq!(
        ordered(hooks, &Dependencies::new())
            .unwrap_err()
            .to_string(),
        message
    );
}

#[test]
fn an_empty_point_has_an_empty_order() {
    assert_order(&[], &[]);
}

#[test]
fn kinds_stand_apart() {
    let hooks = [
        OrderEntry::new("listen", HookKind::Listen, 50, 1),
        OrderEntry::new("after", HookKind::After, 50, 2),
        OrderEntry::new("replace", HookKind::Replace, 50, 3),
        OrderEntry::new("before", HookKind::Before, 50, 4),
        OrderEntry::new("around", HookKind::Around, 50, 5),
    ];
    assert_order(&hooks, &["around", "before", "replace", "after", "listen"]);
}

#[test]
fn priority_goes_before_registration() {
    assert_order(
        &[hook("a", 10, 1), hook("b", 90, 2), hook("c", 10, 0)],
        &["b", "c", "a"],
    );
}

#[test]
fn extreme_priorities_are_ordered() {
    assert_order(
        &[
            hook("low", i64::MIN, 1),
            hook("high", i64::MAX, 2),
            hook("zero", 0, 3),
        ],
        &["high", "zero", "low"],
    );
}

#[test]
fn a_plugin_runs_after_what_it_depends_on() {
    let dependencies = Dependencies::from([("app", vec!["base"])]);
    assert_order_with(
        &[
            hook("app", 50, 1),
            hook("other", 50, 2),
            hook("base", 50, 3),
        ],
        &dependencies,
        &["other", "base", "app"],
    );
}

#[test]
fn dependencies_count_by_way_of_plugins_without_hooks() {
    let dependencies = Dependencies::from([("app", vec!["middle"]), ("middle", vec!["base"])]);
    assert_order_with(
        &[hook("app", 50, 1), hook("base", 50, 2)],
        &dependencies,
        &["base", "app"],
    );
}

#[test]
fn priority_wins_over_dependency() {
    let dependencies = Dependencies::from([("app", vec!["base"])]);
    assert_order_with(
        &[hook("app", 51, 1), hook("base", 50, 2)],
        &dependencies,
        &["app", "base"],
    );
}

#[test]
fn every_hook_of_a_dependency_comes_first() {
    let dependencies = Dependencies::from([("app", vec!["base"])]);
    assert_order_with(
        &[
            hook("base", 50, 1),
            hook("app", 50, 2),
            hook("base", 50, 3),
            hook("app", 50, 4),
        ],
        &dependencies,
        &["base", "base", "app", "app"],
    );
}

#[test]
fn dependency_cycles_end_in_registration_order() {
    let dependencies =
        Dependencies::from([("a", vec!["b"]), ("b", vec!["a"]), ("c", vec!["c", "a"])]);
    assert_order_with(
        &[hook("c", 50, 1), hook("b", 50, 2), hook("a", 50, 3)],
        &dependencies,
        &["c", "b", "a"],
    );
}

#[test]
fn a_deep_dependency_chain_needs_no_stack() {
    let depth = 200_000_usize;
    let dependencies: Vec<[usize; 1]> = (0..depth).map(|id| [id + 1]).collect();
    let hooks = [
        OrderEntry::new(0, HookKind::Before, 50, 0),
        OrderEntry::new(depth, HookKind::Before, 50, 1),
    ];
    let sequence = std::thread::Builder::new()
        .stack_size(320 * 1024)
        .spawn(move || {
            order(&hooks, |&id| {
                dependencies.get(id).map_or(&[], |ids| &ids[..])
            })
        })
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(sequence.unwrap(), [1, 0]);
}

#[test]
fn the_declaring_hook_moves_just_before() {
    assert_order(
        &[
            hook("a", 50, 1),
            hook("b", 50, 2),
            hook("c", 50, 3),
            hook("d", 50, 4).before(["b"]),
        ],
        &["a", "d", "b", "c"],
    );
}

#[test]
fn the_declaring_hook_moves_just_after_also_when_it_is_after_already() {
    assert_order(
        &[
            hook("a", 50, 1),
            hook("b", 50, 2),
            hook("c", 50, 3),
            hook("d", 50, 4).after(["a"]),
        ],
        &["a", "d", "b", "c"],
    );
}

#[test]
fn constraints_win_over_priority() {
    assert_order(
        &[hook("low", 1, 1), hook("high", 99, 2).after(["low"])],
        &["low", "high"],
    );
}

#[test]
fn all_hooks_of_the_named_plugin_count() {
    assert_order(
        &[
            hook("x", 90, 1),
            hook("y", 50, 2),
            hook("x", 10, 3),
            hook("m", 99, 4).after(["x"]),
        ],
        &["x", "y", "x", "m"],
    );
    assert_order(
        &[
            hook("x", 90, 1),
            hook("y", 50, 2),
            hook("x", 10, 3),
            hook("m", 1, 4).before(["x"]),
        ],
        &["m", "x", "y", "x"],
    );
}

#[test]
fn a_constraint_on_an_absent_plugin_is_as_none() {
    assert_order(
        &[hook("a", 50, 1), hook("b", 50, 2).before(["gone"])],
        &["a", "b"],
    );
}

#[test]
fn a_constraint_counts_within_its_kind_only() {
    let hooks = [
        OrderEntry::new("x", HookKind::After, 50, 1),
        hook("a", 50, 2),
        hook("b", 50, 3).before(["x"]),
    ];
    assert_order(&hooks, &["a", "b", "x"]);
}

#[test]
fn naming_oneself_means_ones_other_hooks() {
    let hooks = [
        hook("a", 50, 1),
        hook("b", 50, 2),
        hook("a", 50, 3).before(["a"]),
    ];
    let sequence = order(&hooks, |_| &[]).unwrap();
    assert_eq!(sequence, [2, 0, 1]);
}

#[test]
fn movers_to_one_place_keep_their_order() {
    assert_order(
        &[
            hook("x", 50, 1),
            hook("y", 50, 2),
            hook("m", 50, 3).after(["x"]),
            hook("n", 50, 4).after(["x"]),
        ],
        &["x", "m", "n", "y"],
    );
    assert_order(
        &[
            hook("x", 50, 1),
            hook("y", 50, 2),
            hook("m", 50, 3).before(["y"]),
            hook("n", 50, 4).before(["y"]),
        ],
        &["x", "m", "n", "y"],
    );
}

#[test]
fn movers_from_both_sides_are_both_adjacent() {
    assert_order(
        &[
            hook("x", 50, 1),
            hook("y", 50, 2),
            hook("m", 50, 3).before(["y"]),
            hook("n", 50, 4).after(["x"]),
        ],
        &["x", "n", "m", "y"],
    );
}

#[test]
fn movers_follow_movers() {
    assert_order(
        &[
            hook("x", 50, 1),
            hook("y", 50, 2),
            hook("m", 50, 3).after(["x"]),
            hook("n", 50, 4).after(["m"]),
            hook("o", 50, 5).after(["x"]),
        ],
        &["x", "m", "n", "o", "y"],
    );
}

#[test]
fn a_mutual_pair_stays_where_its_first_hook_stands() {
    assert_order(
        &[
            hook("x", 50, 1),
            hook("m", 50, 2).before(["n"]),
            hook("y", 50, 3),
            hook("n", 50, 4).after(["m"]),
        ],
        &["x", "m", "n", "y"],
    );
}

#[test]
fn two_that_both_want_to_be_first_are_refused() {
    assert_refused(
        &[
            hook("a", 50, 1).before(["b"]),
            hook("b", 50, 2).before(["a"]),
        ],
        "the before hooks cannot be put in order: a before b (a declares before: b), b before a (b declares before: \
         a); remove one of the declared constraints",
    );
}

#[test]
fn a_contradiction_with_the_standing_order_is_one_step_long() {
    assert_refused(
        &[
            hook("first", 90, 1),
            hook("second", 80, 2),
            hook("third", 70, 3),
            hook("fourth", 60, 4),
            hook("m", 50, 5).after(["fourth"]).before(["first"]),
        ],
        "the before hooks cannot be put in order: m before first (m declares before: first), first before fourth \
         (priority, dependency or registration), fourth before m (m declares after: fourth); remove one of the \
         declared constraints",
    );
}

#[test]
fn the_shortest_cycle_is_told() {
    let hooks = [
        hook("a", 50, 1).before(["b"]),
        hook("b", 50, 2).before(["c"]),
        hook("c", 50, 3).before(["a", "d"]),
        hook("d", 50, 4).before(["c"]),
    ];
    let refused = ordered(&hooks, &Dependencies::new()).unwrap_err();
    let step = |earlier, later| Precedence {
        earlier,
        later,
        reason: PrecedenceReason::DeclaredBefore,
    };
    assert_eq!(
        refused,
        Contradiction {
            kind: HookKind::Before,
            cycle: vec![step("c", "d"), step("d", "c")]
        }
    );
}

const PLUGINS: usize = 7;

/// (plugin, priority, before, after) and, per plugin, what it depends on; lower numbers only, so that there
/// is no cycle.
type Point = (Vec<(usize, i64, Vec<usize>, Vec<usize>)>, Vec<Vec<usize>>);

fn point(constraints: usize) -> impl Strategy<Value = Point> {
    let named = move || prop::collection::vec(0..PLUGINS, 0..=constraints);
    let entry = (
        0..PLUGINS,
        0..3_i64,
        prop::bool::weighted(0.4),
        named(),
        named(),
    );
    let entry = entry.prop_map(|(plugin, priority, declares, before, after)| {
        if declares {
            (plugin, priority, before, after)
        } else {
            (plugin, priority, vec![], vec![])
        }
    });
    let dependencies = (0..PLUGINS)
        .map(|id| prop::collection::vec(0..id.max(1), 0..3).boxed())
        .collect::<Vec<_>>();
    (prop::collection::vec(entry, 0..12), dependencies)
}

fn entries(point: &Point, permutation: &[u64]) -> Vec<OrderEntry<usize>> {
    let hooks = point.0.iter().zip(permutation);
    hooks
        .map(
            |((plugin, priority, before, after), &registration)| OrderEntry {
                plugin: *plugin,
                kind: HookKind::After,
                priority: *priority,
                registration,
                before: before.clone(),
                after: after.clone(),
            },
        )
        .collect()
}

fn reachable(dependencies: &[Vec<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    loop {
        let before = reached.len();
        let sources: Vec<usize> = reached.iter().copied().chain([from]).collect();
        reached.extend(
            sources
                .iter()
                .flat_map(|&id| dependencies[id].iter().copied()),
        );
        reached.remove(&from);
        if reached.len() == before {
            return reached;
        }
    }
}

/// The standing order by its definition: of what may come next, the hook registered first.
fn standing(hooks: &[OrderEntry<usize>], dependencies: &[Vec<usize>]) -> Vec<usize> {
    let mut left: BTreeSet<usize> = (0..hooks.len()).collect();
    let mut sequence = Vec::new();
    while !left.is_empty() {
        let top = left.iter().map(|&hook| hooks[hook].priority).max().unwrap();
        let equals: Vec<usize> = left
            .iter()
            .copied()
            .filter(|&hook| hooks[hook].priority == top)
            .collect();
        let free = equals.iter().copied().filter(|&hook| {
            let needed = reachable(dependencies, hooks[hook].plugin);
            !equals
                .iter()
                .any(|&other| needed.contains(&hooks[other].plugin))
        });
        let next = free.min_by_key(|&hook| hooks[hook].registration).unwrap();
        left.remove(&next);
        sequence.push(next);
    }
    sequence
}

/// The demands of each constraint, as pairs (earlier, later).
fn asked(hooks: &[OrderEntry<usize>]) -> BTreeSet<(usize, usize)> {
    let mut pairs = BTreeSet::new();
    for (hook, entry) in hooks.iter().enumerate() {
        for (other, target) in hooks.iter().enumerate().filter(|&(other, _)| other != hook) {
            if entry.before.contains(&target.plugin) {
                pairs.insert((hook, other));
            }
            if entry.after.contains(&target.plugin) {
                pairs.insert((other, hook));
            }
        }
    }
    pairs
}

fn movers(hooks: &[OrderEntry<usize>]) -> BTreeSet<usize> {
    let names = |hook: usize| {
        let entry = &hooks[hook];
        hooks.iter().enumerate().any(|(other, target)| {
            other != hook
                && (entry.before.contains(&target.plugin) || entry.after.contains(&target.plugin))
        })
    };
    (0..hooks.len()).filter(|&hook| names(hook)).collect()
}

/// Whether the pairs close a circle: the transitive closure, by squaring until nothing is new.
fn contradictory(mut pairs: BTreeSet<(usize, usize)>) -> bool {
    loop {
        let joined: BTreeSet<_> = pairs
            .iter()
            .flat_map(|&(a, b)| {
                pairs
                    .iter()
                    .filter(move |&&(c, _)| b == c)
                    .map(move |&(_, d)| (a, d))
            })
            .collect();
        let before = pairs.len();
        pairs.extend(joined);
        if pairs.len() == before {
            return pairs.iter().any(|(a, b)| a == b);
        }
    }
}

/// The fewest pairs that close a circle, where any two unmoved hooks are one pair apart.
fn shortest_circle(pairs: &BTreeSet<(usize, usize)>, unmoved: &[usize]) -> usize {
    let mut pairs = pairs.clone();
    for (place, &earlier) in unmoved.iter().enumerate() {
        pairs.extend(unmoved[place + 1..].iter().map(|&later| (earlier, later)));
    }
    let ends: BTreeSet<usize> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
    let lengths = ends.into_iter().filter_map(|start| {
        let mut reached = BTreeSet::from([start]);
        (1..=pairs.len()).find(|_| {
            let next = pairs.iter().filter(|(a, _)| reached.contains(a));
            reached = next.map(|&(_, b)| b).collect();
            reached.contains(&start)
        })
    });
    lengths.min().unwrap()
}

fn any_point(
    constraints: usize,
) -> impl Strategy<Value = (Vec<OrderEntry<usize>>, Vec<Vec<usize>>)> {
    point(constraints).prop_flat_map(|point| {
        let numbers: Vec<u64> = (0..point.0.len() as u64).collect();
        Just(numbers)
            .prop_shuffle()
            .prop_map(move |numbers| (entries(&point, &numbers), point.1.clone()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn without_constraints_the_standing_order((hooks, dependencies) in any_point(0)) {
        let sequence = order(&hooks, |&id| &dependencies[id]).unwrap();
        prop_assert_eq!(sequence, standing(&hooks, &dependencies));
    }

    #[test]
    fn constraints_hold_and_the_rest_keeps_its_order((hooks, dependencies) in any_point(2)) {
        let standing = standing(&hooks, &dependencies);
        let movers = movers(&hooks);
        let unmoved: Vec<usize> = standing.iter().copied().filter(|hook| !movers.contains(hook)).collect();
        let asked = asked(&hooks);
        let mut pairs = asked.clone();
        pairs.extend(unmoved.windows(2).map(|pair| (pair[0], pair[1])));

        match order(&hooks, |&id| &dependencies[id]) {
            Ok(sequence) => {
                prop_assert!(!contradictory(pairs));
                prop_assert_eq!(sequence.iter().copied().collect::<BTreeSet<_>>().len(), hooks.len());
                let place = |hook| sequence.iter().position(|&at| at == hook).unwrap();
                for (earlier, later) in asked {
                    prop_assert!(place(earlier) < place(later));
                }
                let rest: Vec<usize> = sequence.iter().copied().filter(|hook| !movers.contains(hook)).collect();
                prop_assert_eq!(&rest, &unmoved);
                if let (1, Some(&mover)) = (movers.len(), movers.first()) {
                    let at = place(mover);
                    if hooks[mover].after.iter().any(|&id| id != hooks[mover].plugin && unmoved.iter().any(|&hook| hooks[hook].plugin == id)) {
                        prop_assert!(hooks[mover].after.contains(&hooks[sequence[at - 1]].plugin));
                    } else if hooks[mover].after.is_empty() {
                        prop_assert!(hooks[mover].before.contains(&hooks[sequence[at + 1]].plugin));
                    }
                }
            }
            Err(contradiction) => {
                prop_assert!(contradictory(pairs.clone()));
                let steps = &contradiction.cycle;
                prop_assert_eq!(steps.len(), shortest_circle(&pairs, &unmoved));
                for (step, next) in steps.iter().zip(steps.iter().cycle().skip(1)) {
                    prop_assert_eq!(step.later, next.earlier);
                    let declares = |plugin: usize, named: usize, list: fn(&OrderEntry<usize>) -> &Vec<usize>| {
                        hooks.iter().any(|hook| hook.plugin == plugin && list(hook).contains(&named))
                    };
                    let grounded = match step.reason {
                        PrecedenceReason::DeclaredBefore => declares(step.earlier, step.later, |hook| &hook.before),
                        PrecedenceReason::DeclaredAfter => declares(step.later, step.earlier, |hook| &hook.after),
                        PrecedenceReason::Standing => unmoved.iter().any(|&hook| hooks[hook].plugin == step.earlier)
                            && unmoved.iter().any(|&hook| hooks[hook].plugin == step.later),
                    };
                    prop_assert!(grounded);
                }
                prop_assert!(steps.iter().any(|step| step.reason != PrecedenceReason::Standing));
            }
        }
    }

    /// Where a mover stands apart from the hooks it names, only hooks that were moved as well stand between.
    #[test]
    fn only_moved_hooks_part_a_mover_from_what_it_names((hooks, dependencies) in any_point(1)) {
        let Ok(sequence) = order(&hooks, |&id| &dependencies[id]) else { return Ok(()) };
        let movers = movers(&hooks);
        let place = |hook| sequence.iter().position(|&at| at == hook).unwrap();
        for &mover in &movers {
            let named = |list: &[usize]| -> Vec<usize> {
                (0..hooks.len()).filter(|&hook| hook != mover && list.contains(&hooks[hook].plugin)).collect()
            };
            let (before, after) = (named(&hooks[mover].before), named(&hooks[mover].after));
            // Movers that hang on each other may be forced farther away.
            let hangs = |&(a, b): &(usize, usize)| (a == mover && movers.contains(&b)) || (b == mover && movers.contains(&a));
            if asked(&hooks).iter().any(hangs) {
                continue;
            }
            let between = if let Some(last) = after.into_iter().map(place).max() {
                last + 1..place(mover)
            } else {
                place(mover) + 1..before.into_iter().map(place).min().unwrap()
            };
            prop_assert!(sequence[between].iter().all(|hook| movers.contains(hook)));
        }
    }
}
