//! Version choice against brute force on small universes.

use pipeline_core::requirement::{AllowPre, Requirement};
use pipeline_core::resolve::{
    Dependency, Node, Request, Root, SolveError, Target, load_order, solve,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use semver::Version;

const VERSIONS: [&str; 5] = ["1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0", "2.1.0-dev"];
const REQUIREMENTS: [&str; 10] = [
    "~> 1.0",
    "~> 2.0",
    "~> 2.0-dev",
    "< 2.0.0",
    "!= 1.1.0",
    "1.0.0",
    ">= 1.1.0",
    "~> 1.0 or 2.0.0",
    ">= 2.1.0-0",
    "~> 3.0",
];
const IDS: u8 = 5;
const CAPABILITIES: u8 = 2;

/// Capabilities have names of their own, above those of plugins.
fn capability(number: u8) -> u8 {
    100 + number
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn requirement() -> impl Strategy<Value = Option<Requirement>> {
    prop::option::weighted(
        0.8,
        select(&REQUIREMENTS[..]).prop_map(|text| text.parse().unwrap()),
    )
}

fn dependency() -> impl Strategy<Value = Dependency<u8>> {
    // One id more than there are plugins.
    let plugin =
        (0..=IDS, requirement()).prop_map(|(id, requirement)| Dependency::plugin(id, requirement));
    let provided = (0..CAPABILITIES).prop_map(|number| Dependency::capability(capability(number)));
    (
        prop_oneof![6 => plugin, 2 => provided],
        prop::bool::weighted(0.2),
    )
        .prop_map(|(dependency, optional)| {
            if optional {
                dependency.optional()
            } else {
                dependency
            }
        })
}

fn releases_of(id: u8) -> impl Strategy<Value = Vec<Node<u8>>> {
    let contents = (
        prop::collection::vec(dependency(), 0..3),
        prop::collection::vec((0..CAPABILITIES).prop_map(capability), 0..2),
    );
    let contents = prop::collection::vec(contents, VERSIONS.len());
    (subsequence(&VERSIONS[..], 0..=3), contents).prop_map(move |(versions, contents)| {
        let node = |(text, (dependencies, capabilities))| Node { id, version: version(text), capabilities, dependencies };
        // A plugin that names itself is for the load order to refuse.
        let itself = |dependency: &Dependency<u8>| matches!(dependency.target, Target::Plugin(on, _) if on == id);
        let mut nodes: Vec<Node<u8>> = versions.into_iter().zip(contents).map(node).collect();
        for node in &mut nodes {
            node.dependencies.retain(|dependency| !itself(dependency));
        }
        nodes
    })
}

fn releases() -> impl Strategy<Value = Vec<Node<u8>>> {
    (0..IDS)
        .map(releases_of)
        .collect::<Vec<_>>()
        .prop_map(|plugins| plugins.concat())
        .prop_shuffle()
}

fn request() -> impl Strategy<Value = Request<u8>> {
    let root = (0..IDS, requirement()).prop_map(|(id, requirement)| Root::new(id, requirement));
    let versions =
        || prop::collection::btree_map(0..IDS, select(&VERSIONS[..]).prop_map(version), 0..2);
    (prop::collection::vec(root, 1..4), versions(), versions()).prop_map(
        |(roots, locked, loaded)| Request {
            roots,
            locked,
            loaded,
        },
    )
}

/// The rule on pre-releases, as the documentation of `solve` words it.
fn accepts(request: &Request<u8>, requirement: Option<&Requirement>, release: &Node<u8>) -> bool {
    let Node { id, version, .. } = release;
    let named = request.roots.iter().any(|root| {
        root.id == *id
            && root
                .requirement
                .as_ref()
                .is_some_and(|it| it.names_pre_release() && it.matches(version, AllowPre::No))
    });
    let by_operator =
        named || request.locked.get(id) == Some(version) || request.loaded.get(id) == Some(version);
    match requirement {
        _ if version.pre.is_empty() || by_operator => {
            requirement.is_none_or(|it| it.matches(version, AllowPre::Yes))
        }
        None => false,
        Some(requirement) => {
            requirement.names_pre_release() && requirement.matches(version, AllowPre::No)
        }
    }
}

/// Whether a set of releases, at most one for an id, is what the request asks for.
fn is_fine(request: &Request<u8>, taken: &[&Node<u8>]) -> bool {
    let find = |id: u8| taken.iter().find(|node| node.id == id);
    let roots = request.roots.iter().all(|root| {
        find(root.id).is_some_and(|node| accepts(request, root.requirement.as_ref(), node))
    });
    let locks = request
        .locked
        .iter()
        .all(|(id, version)| find(*id).is_none_or(|node| node.version == *version));
    let dependencies = taken.iter().all(|node| {
        node.dependencies
            .iter()
            .all(|dependency| match &dependency.target {
                Target::Plugin(id, requirement) => match find(*id) {
                    None => dependency.optional,
                    Some(found) => accepts(request, requirement.as_ref(), found),
                },
                Target::Capability(name) => {
                    dependency.optional
                        || taken.iter().any(|other| {
                            other.id != node.id
                                && other.capabilities.contains(name)
                                && accepts(request, None, other)
                        })
                }
            })
    });
    roots && locks && dependencies
}

/// Whether any set of releases is what the request asks for.
fn exists(releases: &[Node<u8>], request: &Request<u8>) -> bool {
    let choices: Vec<Vec<Option<&Node<u8>>>> = (0..IDS)
        .map(|id| {
            std::iter::once(None)
                .chain(releases.iter().filter(|node| node.id == id).map(Some))
                .collect()
        })
        .collect();
    let sets: usize = choices.iter().map(Vec::len).product();
    (0..sets).any(|mut number| {
        let mut taken = Vec::new();
        for choice in &choices {
            taken.extend(choice[number % choice.len()]);
            number /= choice.len();
        }
        is_fine(request, &taken)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn agrees_with_brute_force(releases in releases(), request in request()) {
        match solve(&releases, &request) {
            Ok(chosen) => {
                let taken: Vec<&Node<u8>> = chosen.values().map(|&at| &releases[at]).collect();
                prop_assert!(chosen.iter().all(|(id, &at)| releases[at].id == *id));
                prop_assert!(is_fine(&request, &taken), "{:?}", taken);
                // The load order sees the same set as complete: it may find a cycle, but nothing missing or
                // mismatched.
                let taken: Vec<Node<u8>> = taken.into_iter().cloned().collect();
                if let Err(error) = load_order(&taken, &[]) {
                    prop_assert!(matches!(error, pipeline_core::resolve::ResolveError::Cycle(_)), "{}", error);
                }
                prop_assert_eq!(solve(&releases, &request).unwrap(), chosen);
            }
            Err(SolveError::Conflict(conflict)) => {
                prop_assert!(!exists(&releases, &request));
                prop_assert!(!conflict.causes.is_empty());
                prop_assert!(conflict.causes.iter().all(|cause| !cause.demands.is_empty()), "{}", conflict);
                // The roots it names are enough for it.
                let mut fewer = request.clone();
                fewer.roots.retain(|root| conflict.roots.contains(&root.id));
                prop_assert!(!exists(&releases, &fewer), "{}", conflict);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
