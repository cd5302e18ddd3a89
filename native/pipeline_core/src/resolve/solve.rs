use std::collections::{BTreeMap, BTreeSet};

use pubgrub::VersionSet;

use super::constraint::{Constraint, InForce};
use super::dependency_provider::choose;
use super::explanation::explain;
use super::version_index::{NOT_TAKEN, Package, VersionIndex};
use super::{Identifier, Node, Request, SolveError};

/// How much work may go into shortening an explanation: the sum, over all attempts, of the square of the
/// constraints still in question, with which the time of an attempt grows at worst (seconds for a chain of
/// 4,000 plugins that leads nowhere). Enough to reduce a conflict of 270 constraints all the way; of one that
/// is longer, nobody reads the whole.
const SHORTENING: usize = 20_000_000;

/// Chooses at most one release for each id so that every root and every dependency is met.
///
/// `releases` are all that are known, many versions for an id; the answer maps each id that is taken to an
/// index into them. It holds what the roots need and nothing besides. [`load_order`](super::load_order) of
/// the chosen releases tells whether they also have an order: cycles are not looked for here.
///
/// - Of the versions that fit, one that is [loaded](Request::loaded) is kept, else the newest is taken. Where
///   plugins compete, the roots come first, in their order.
/// - A capability is met by any other plugin that provides it; one that is taken anyway, or that is loaded,
///   goes ahead.
/// - An optional dependency constrains the version of a plugin that something else needs, and takes none by
///   itself.
/// - A pre-release is accepted only by a requirement that names a pre-release (`~> 2.0-rc`), by the rule of
///   [`AllowPre::No`](crate::requirement::AllowPre::No); a dependency without a requirement takes none. But
///   one that the operator has chosen, because it is locked, loaded, or accepted by a root requirement that
///   names a pre-release, is a version like any other to all requirements.
///
/// `PubGrub` ([Weizenbaum 2018](https://nex3.medium.com/pubgrub-2fb6470504f)) does the search, on the numbers
/// of versions in place of versions. If there is no choice, it is run again with one constraint left out at a
/// time, until all that are left are needed for the contradiction; these are what the error speaks of.
///
/// # Errors
///
/// [`SolveError::DuplicateRelease`]; [`SolveError::Conflict`].
///
/// ```
/// use pipeline_core::resolve::{Node, Request, Root, solve};
/// use semver::Version;
///
/// let releases = [Node::new("cache", Version::new(1, 4, 2)), Node::new("cache", Version::new(2, 1, 0))];
/// let request = Request::new(vec![Root::new("cache", Some("~> 1.0".parse()?))]);
/// assert_eq!(solve(&releases, &request)?[&"cache"], 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn solve<N: Identifier>(
    releases: &[Node<N>],
    request: &Request<N>,
) -> Result<BTreeMap<N, usize>, SolveError<N>> {
    let index = VersionIndex::new(releases, request)?;
    match choose(&index, &InForce::All) {
        Ok(chosen) => Ok(needed(&index, &chosen)),
        Err(constraints) => Err(SolveError::Conflict(explain(
            &index,
            &minimal_conflict(&index, constraints),
        ))),
    }
}

/// Leaves out one constraint after another. Where the rest still contradicts itself, only what the new proof
/// makes use of is kept; where it does not, the constraint is needed, now and in every smaller conflict.
fn minimal_conflict<N: Identifier>(
    index: &VersionIndex<'_, N>,
    mut conflict: BTreeSet<Constraint>,
) -> BTreeSet<Constraint> {
    let mut needed = BTreeSet::new();
    let mut work = 0;
    while let Some(&candidate) = conflict.difference(&needed).next() {
        work += conflict.len() * conflict.len();
        if work > SHORTENING {
            break;
        }
        conflict.remove(&candidate);
        if let Err(smaller) = choose(index, &InForce::Only(&conflict)) {
            conflict = smaller;
        } else {
            conflict.insert(candidate);
            needed.insert(candidate);
        }
    }
    conflict
}

/// The part of a choice that the roots lead to. The solver picks providers of capabilities without knowing
/// which plugins it will take besides; a provider that turns out to be one too many goes.
fn needed<N: Identifier>(
    index: &VersionIndex<'_, N>,
    chosen: &BTreeMap<Package, usize>,
) -> BTreeMap<N, usize> {
    let release = |plugin: usize| {
        let number = chosen
            .get(&Package::Plugin(plugin))
            .copied()
            .filter(|&number| number != NOT_TAKEN)?;
        Some(index.plugins[plugin].releases[number - 1])
    };
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open: Vec<Package> = index
        .request
        .roots
        .iter()
        .map(|root| index.plugin(&root.id))
        .collect();
    let mut capabilities = BTreeSet::new();
    loop {
        while let Some(package) = open.pop() {
            match package {
                Package::Capability { .. } => {
                    capabilities.insert(package);
                }
                Package::Plugin(plugin) if !taken.contains_key(&plugin) => {
                    let Some(release) = release(plugin) else {
                        continue;
                    };
                    taken.insert(plugin, release);
                    let edges = index.edges(plugin, release).iter();
                    let required = edges.filter(|edge| {
                        !index.releases[release].dependencies[edge.dependency].optional
                    });
                    open.extend(required.map(|edge| edge.target));
                }
                _ => {}
            }
        }
        // One provider at a time: it may bring along what other capabilities need.
        let Some(package) = capabilities.pop_first() else {
            break;
        };
        let Package::Capability { capability, except } = package else {
            continue;
        };
        let capability = &index.capabilities[capability];
        let met = capability.providers.iter().any(|(plugin, numbers)| {
            let number = chosen
                .get(&Package::Plugin(*plugin))
                .filter(|_| taken.contains_key(plugin));
            Some(*plugin) != except && number.is_some_and(|number| numbers.contains(number))
        });
        if !met {
            open.extend(
                chosen
                    .get(&package)
                    .map(|&at| Package::Plugin(capability.providers[at].0)),
            );
        }
    }
    taken
        .into_iter()
        .map(|(plugin, release)| (index.plugins[plugin].id.clone(), release))
        .collect()
}
