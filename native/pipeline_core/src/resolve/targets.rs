use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{Name, Node, ResolveError, Target};

/// Where the dependencies of plugins lead, in the order of the plugins and of their lists: the place of the plugin that a
/// dependency names, counted on from the plugins to load through those that are present. Nothing where none is named, or
/// one that is not there.
pub(super) type Targets = Vec<Option<usize>>;

/// Looks each name up once; all that comes after works with places.
///
/// # Errors
///
/// [`ResolveError::DuplicateId`] and [`ResolveError::AlreadyLoaded`].
pub(super) fn targets<N: Name>(
    nodes: &[Node<N>],
    present: &[Node<N>],
) -> Result<Targets, ResolveError<N>> {
    let mut places: HashMap<&N, usize, RandomState> =
        HashMap::with_capacity_and_hasher(nodes.len() + present.len(), RandomState::default());
    for (at, node) in present.iter().enumerate() {
        places.insert(&node.id, nodes.len() + at);
    }
    for (at, node) in nodes.iter().enumerate() {
        let Some(other) = places.insert(&node.id, at) else {
            continue;
        };
        let (id, version) = (node.id.clone(), node.version.clone());
        return Err(match present.get(other.wrapping_sub(nodes.len())) {
            Some(loaded) => ResolveError::AlreadyLoaded {
                id,
                loaded: loaded.version.clone(),
                version,
            },
            None => ResolveError::DuplicateId {
                id,
                first: nodes[other].version.clone(),
                second: version,
            },
        });
    }
    let dependencies = nodes.iter().map(|node| node.dependencies.len()).sum();
    let mut targets = Vec::with_capacity(dependencies);
    for node in nodes {
        targets.extend(
            node.dependencies
                .iter()
                .map(|dependency| match &dependency.target {
                    Target::Plugin(id, _) => places.get(id).copied(),
                    Target::Capability(_) => None,
                }),
        );
    }
    Ok(targets)
}
