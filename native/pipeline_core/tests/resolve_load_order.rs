//! Load and unload order: waves, what is missing, cycles.

use std::collections::HashMap;

use pipeline_core::resolve::{
    Dependency, Node, NumberedDependency, PluginTable, PluginTableBuilder, ResolveError, Target,
    load_order, unload_order,
};
use proptest::prelude::*;
use semver::Version;

type Plugin = Node<&'static str>;

fn plugin(id: &'static str) -> Plugin {
    Node::new(id, Version::new(1, 0, 0))
}

fn on(id: &'static str) -> Dependency<&'static str> {
    Dependency::plugin(id, None)
}

fn on_version(id: &'static str, requirement: &str) -> Dependency<&'static str> {
    Dependency::plugin(id, Some(requirement.parse().unwrap()))
}

fn any(capability: &'static str) -> Dependency<&'static str> {
    Dependency::capability(capability)
}

#[track_caller]
fn refused(nodes: &[Plugin], present: &[Plugin], message: &str) {
    assert_eq!(load_order(nodes, present).unwrap_err().to_string(), message);
}

#[test]
fn each_plugin_stands_in_the_earliest_wave_it_can() {
    let nodes = [
        plugin("app").needs(on("blog")).needs(on("log")),
        plugin("blog").needs(on("cache")),
        plugin("log"),
        plugin("cache"),
    ];
    assert_eq!(
        load_order(&nodes, &[]).unwrap(),
        [vec![2, 3], vec![1], vec![0]]
    );
    assert_eq!(
        unload_order(&nodes).unwrap(),
        [vec![0], vec![1, 2], vec![3]]
    );
    assert_eq!(
        load_order::<&str>(&[], &[]).unwrap(),
        Vec::<Vec<usize>>::new()
    );
}

#[test]
fn a_dependent_waits_for_all_providers() {
    let nodes = [
        plugin("chat").needs(any("llm")),
        plugin("openai").provides("llm").needs(on("http")),
        plugin("local").provides("llm"),
        plugin("http"),
    ];
    assert_eq!(
        load_order(&nodes, &[]).unwrap(),
        [vec![2, 3], vec![1], vec![0]]
    );
    assert_eq!(
        unload_order(&nodes).unwrap(),
        [vec![0], vec![1, 2], vec![3]]
    );
}

#[test]
fn a_provider_that_wraps_another_waits_for_it() {
    let wrapper = plugin("cached_llm").provides("llm").needs(any("llm"));
    let nodes = [
        plugin("chat").needs(any("llm")),
        wrapper.clone(),
        plugin("openai").provides("llm"),
    ];
    assert_eq!(
        load_order(&nodes, &[]).unwrap(),
        [vec![2], vec![1], vec![0]]
    );
    refused(
        &[wrapper],
        &[],
        "cached_llm needs the capability llm, which no other plugin provides: load one that does, or leave cached_llm \
         out.",
    );
}

#[test]
fn what_is_loaded_meets_dependencies_and_is_not_ordered() {
    let nodes = [plugin("blog")
        .needs(on_version("cache", "~> 1.0"))
        .needs(any("llm"))];
    let present = [plugin("cache"), plugin("openai").provides("llm")];
    assert_eq!(load_order(&nodes, &present).unwrap(), [vec![0]]);
    assert_eq!(unload_order(&nodes).unwrap(), [vec![0]]);
}

#[test]
fn an_optional_dependency_orders_and_may_be_missing() {
    let blog = plugin("blog")
        .needs(on("cache").optional())
        .needs(any("llm").optional());
    assert_eq!(
        load_order(std::slice::from_ref(&blog), &[]).unwrap(),
        [vec![0]]
    );
    assert_eq!(
        load_order(&[blog, plugin("cache")], &[]).unwrap(),
        [vec![1], vec![0]]
    );
}

#[test]
fn an_optional_dependency_in_a_wrong_version_is_an_error() {
    let blog = plugin("blog").needs(on_version("cache", "~> 2.0").optional());
    refused(
        &[blog],
        &[plugin("cache")],
        "blog needs cache ~> 2.0, but cache 1.0.0 is there: load a version that matches, or relax the requirement in \
         blog.",
    );
}

#[test]
fn an_id_is_loaded_once() {
    let newer = Node::new("blog", Version::new(2, 0, 0));
    refused(
        &[plugin("blog"), newer.clone()],
        &[],
        "two plugins to load have the id blog (1.0.0 and 2.0.0): keep one of them",
    );
    refused(
        &[newer],
        &[plugin("blog")],
        "blog 1.0.0 is loaded already: unload it before blog 2.0.0 is loaded",
    );
    assert!(matches!(
        unload_order(&[plugin("blog"), plugin("blog")]),
        Err(ResolveError::DuplicateId { id: "blog", .. })
    ));
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    refused(
        &[plugin("blog").needs(on_version("cahce", "~> 1.0"))],
        &[plugin("cache")],
        "blog needs cahce ~> 1.0, which is not there: load cahce as well, or leave blog out. Did you mean cache?",
    );
    refused(
        &[
            plugin("langchain").needs(on("python_bridge")),
            plugin("blog")
                .needs(on_version("cache", "~> 2.0"))
                .needs(any("lmm")),
            plugin("cache"),
            plugin("openai").provides("llm"),
        ],
        &[],
        "3 dependencies are not met:\n  \
         langchain needs python_bridge, which is not there: load python_bridge as well, or leave langchain out.\n  \
         blog needs cache ~> 2.0, but cache 1.0.0 is there: load a version that matches, or relax the requirement in \
         blog.\n  \
         blog needs the capability lmm, which no other plugin provides: load one that does, or leave blog out. \
         Did you mean llm?",
    );
}

#[test]
fn the_shortest_cycle_is_spelled_out() {
    let nodes = [
        plugin("a").needs(on("b")),
        plugin("b").needs(on("c")),
        plugin("c").needs(on("d")).needs(on("b").optional()),
        plugin("d").needs(on("a")),
    ];
    refused(
        &nodes,
        &[],
        "these plugins wait for each other:\n  b needs c\n  c needs b (optional)\nRemove one of these dependencies.",
    );
    refused(
        &[plugin("a").needs(on("a"))],
        &[],
        "a depends on itself: remove that dependency.",
    );
    refused(
        &[
            plugin("chat").needs(any("llm")),
            plugin("openai").provides("llm").needs(on("chat")),
        ],
        &[],
        "these plugins wait for each other:\n  \
         chat needs the capability llm, which openai provides\n  openai needs chat\n\
         Remove one of these dependencies.",
    );
    refused(
        &[
            plugin("x").provides("llm").needs(any("llm")),
            plugin("y").provides("llm").needs(any("llm")),
        ],
        &[],
        "these plugins wait for each other:\n  \
         x needs the capability llm, which y provides\n  y needs the capability llm, which x provides\n\
         Remove one of these dependencies.",
    );
}

#[test]
fn what_was_loaded_one_after_another_can_be_unloaded() {
    // `late` provides what `early` waits for, and needs `early`.
    let early = plugin("early").needs(any("llm"));
    let first = plugin("first").provides("llm");
    let late = plugin("late").provides("llm").needs(on("early"));
    assert!(load_order(&[early.clone(), first.clone()], &[]).is_ok());
    assert!(load_order(std::slice::from_ref(&late), &[early.clone(), first.clone()]).is_ok());
    assert!(load_order(&[early.clone(), first.clone(), late.clone()], &[]).is_err());

    let waves = unload_order(&[early, first, late]).unwrap();
    let wave = |index| waves.iter().position(|wave| wave.contains(&index)).unwrap();
    assert!(wave(2) < wave(0), "{waves:?}");
    assert!(matches!(
        unload_order(&[plugin("a").needs(on("b")), plugin("b").needs(on("a"))]),
        Err(ResolveError::Cycle(_))
    ));
}

#[test]
fn long_chains_need_no_stack() {
    const LENGTH: u32 = 20_000;
    let chain = |close: bool| -> Vec<Node<u32>> {
        (0..LENGTH)
            .map(|id| {
                let node = Node::new(id, Version::new(1, 0, 0));
                match id + 1 {
                    LENGTH if close => node.needs(Dependency::plugin(0, None)),
                    LENGTH => node,
                    next => node.needs(Dependency::plugin(next, None)),
                }
            })
            .collect()
    };
    // As small as a dirty scheduler's.
    let small = std::thread::Builder::new().stack_size(320 * 1024);
    let thread = small.spawn(move || {
        let line = chain(false);
        let waves = load_order(&line, &[]).unwrap().len();
        assert_eq!(unload_order(&line).unwrap().len(), waves);
        let Err(ResolveError::Cycle(cycle)) = load_order(&chain(true), &[]) else {
            panic!("no cycle")
        };
        (waves, cycle.edges.len())
    });
    assert_eq!(thread.unwrap().join().unwrap(), (20_000, 20_000));
}

/// Small sets over few names, so that providers, cycles and gaps all occur.
fn plugins() -> impl Strategy<Value = Vec<Node<u8>>> {
    let dependency = (0u8..8, 0u8..3, prop::bool::ANY, prop::bool::weighted(0.3)).prop_map(
        |(id, capability, by_capability, optional)| {
            let target = if by_capability {
                Target::Capability(100 + capability)
            } else {
                Target::Plugin(id, None)
            };
            Dependency { target, optional }
        },
    );
    prop::collection::vec(
        (
            prop::collection::vec(0u8..3, 0..2),
            prop::collection::vec(dependency, 0..3),
        ),
        0..8,
    )
    .prop_map(|plugins| {
        // Mostly plugins that are there.
        let count = u8::try_from(plugins.len()).unwrap();
        let near = |mut dependency: Dependency<u8>| {
            if let Target::Plugin(id @ 0..7, _) = &mut dependency.target {
                *id %= count;
            }
            dependency
        };
        let node = |(id, (capabilities, dependencies)): (usize, (Vec<u8>, Vec<_>))| Node {
            id: u8::try_from(id).unwrap(),
            version: Version::new(1, 0, 0),
            capabilities: capabilities
                .into_iter()
                .map(|capability| 100 + capability)
                .collect(),
            dependencies: dependencies.into_iter().map(near).collect(),
        };
        plugins.into_iter().enumerate().map(node).collect()
    })
}

/// Everything that a dependency waits for, by the words of the contract.
fn waits_for(nodes: &[Node<u8>], node: &Node<u8>, dependency: &Dependency<u8>) -> Vec<u8> {
    let by = |other: &&Node<u8>| match &dependency.target {
        Target::Plugin(id, _) => other.id == *id,
        Target::Capability(capability) => {
            other.id != node.id && other.capabilities.contains(capability)
        }
    };
    nodes.iter().filter(by).map(|other| other.id).collect()
}

/// The length of a shortest cycle, by powers of the adjacency matrix.
fn girth(nodes: &[Node<u8>]) -> Option<usize> {
    let edges: Vec<u64> = nodes
        .iter()
        .map(|node| {
            let targets = node
                .dependencies
                .iter()
                .flat_map(|dependency| waits_for(nodes, node, dependency));
            targets.fold(0, |mask, target| mask | 1 << target)
        })
        .collect();
    let mut reach = edges.clone();
    for length in 1..=nodes.len() {
        if reach
            .iter()
            .enumerate()
            .any(|(at, mask)| mask >> at & 1 == 1)
        {
            return Some(length);
        }
        let step = |mask: &u64| {
            (0..nodes.len())
                .filter(|at| mask >> at & 1 == 1)
                .fold(0, |next, at| next | edges[at])
        };
        reach = reach.iter().map(step).collect();
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn waves_are_as_the_contract_says(nodes in plugins()) {
        let missing = nodes
            .iter()
            .flat_map(|node| node.dependencies.iter().map(move |dependency| (node, dependency)))
            .filter(|(node, dependency)| !dependency.optional && waits_for(&nodes, node, dependency).is_empty())
            .count();
        match load_order(&nodes, &[]) {
            Err(ResolveError::Unmet(unmet)) => prop_assert_eq!(unmet.len(), missing),
            Err(ResolveError::Cycle(cycle)) => {
                prop_assert_eq!(missing, 0);
                prop_assert_eq!(girth(&nodes), Some(cycle.edges.len()));
                for (at, edge) in cycle.edges.iter().enumerate() {
                    prop_assert_eq!(edge.to, cycle.edges[(at + 1) % cycle.edges.len()].from);
                    let from = &nodes[usize::from(edge.from)];
                    let declared = from.dependencies.iter().any(|dependency| {
                        dependency.optional == edge.optional && waits_for(&nodes, from, dependency).contains(&edge.to)
                    });
                    prop_assert!(declared, "{} does not wait for {}", edge.from, edge.to);
                }
            }
            Err(other) => prop_assert!(false, "{}", other),
            Ok(waves) => {
                prop_assert_eq!(missing, 0);
                prop_assert_eq!(girth(&nodes), None);
                let wave: HashMap<usize, usize> =
                    waves.iter().enumerate().flat_map(|(at, wave)| wave.iter().map(move |node| (*node, at))).collect();
                prop_assert_eq!(wave.len(), nodes.len());
                for (at, node) in nodes.iter().enumerate() {
                    let after = node
                        .dependencies
                        .iter()
                        .flat_map(|dependency| waits_for(&nodes, node, dependency))
                        .map(|target| wave[&usize::from(target)] + 1)
                        .max();
                    prop_assert_eq!(wave[&at], after.unwrap_or(0));
                }
                let unload = unload_order(&nodes).unwrap();
                let unload = |node| unload.iter().position(|wave| wave.contains(&node)).unwrap();
                for (at, node) in nodes.iter().enumerate() {
                    for target in node.dependencies.iter().flat_map(|dependency| waits_for(&nodes, node, dependency)) {
                        prop_assert!(unload(at) < unload(usize::from(target)));
                    }
                }
            }
        }
    }
}

#[test]
fn nobody_is_told_that_it_may_have_meant_itself() {
    refused(
        &[plugin("cache").needs(on("caches"))],
        &[],
        "cache needs caches, which is not there: load caches as well, or leave cache out.",
    );
    refused(
        &[plugin("cache").needs(on("caches")), plugin("cached")],
        &[],
        "cache needs caches, which is not there: load caches as well, or leave cache out. Did you mean cached?",
    );
    refused(
        &[plugin("openai").provides("llm").needs(any("llms"))],
        &[],
        "openai needs the capability llms, which no other plugin provides: load one that does, or leave openai out.",
    );
}

#[test]
fn a_draft_counts_through_its_lists_only() {
    let (names, version) = ([&"blog", &"cache"], Version::new(1, 0, 0));
    let versions = [&version];
    let mut builder = PluginTableBuilder::default();
    builder.plugin(0, 0);
    builder.provides(1);
    assert!(PluginTable::new(&builder, &names, &versions, &[]).is_some());
    assert!(PluginTable::new(&builder, &names[..1], &versions, &[]).is_none());
    assert!(PluginTable::new(&builder, &names, &[], &[]).is_none());
    builder.depends_on(NumberedDependency::plugin(1, Some(0)));
    assert!(PluginTable::new(&builder, &names, &versions, &[]).is_none());
    let requirement = "~> 1.0".parse().unwrap();
    let requirements = [&requirement];
    let table = PluginTable::new(&builder, &names, &versions, &requirements).unwrap();
    assert!(matches!(table.load_order(), Err(ResolveError::Unmet(_))));
}
