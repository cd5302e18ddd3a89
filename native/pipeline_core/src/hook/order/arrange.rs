use std::cmp::Reverse;
use std::hash::Hash;

use super::constraint::Constraints;
use super::contradiction::Contradiction;
use super::dependency::Dependencies;
use super::entry::OrderEntry;
use super::{placement, precedence};

/// Orders the hooks of one point.
///
/// `dependencies` gives the ids that a plugin depends on directly, also for plugins without a hook here, and
/// an empty slice for ids it does not know. The result holds each index of `entries` once: arounds first,
/// then before, replace, after and listen hooks, each kind in its order.
///
/// Without constraints the cost is that of a sort and one walk over the dependencies.
///
/// # Errors
///
/// A [`Contradiction`] when the named constraints of one kind cannot all hold.
pub fn order<'d, Id, D>(
    entries: &'d [OrderEntry<Id>],
    dependencies: D,
) -> Result<Vec<usize>, Contradiction<Id>>
where
    Id: Eq + Hash + Clone,
    D: Fn(&Id) -> &'d [Id],
{
    let mut sequence: Vec<usize> = (0..entries.len()).collect();
    sequence.sort_by_key(|&index| {
        let entry = &entries[index];
        (entry.kind, Reverse(entry.priority), entry.registration)
    });

    let mut dependencies = Dependencies::new(dependencies);
    for equals in sequence.chunk_by_mut(|&a, &b| {
        entries[a].kind == entries[b].kind && entries[a].priority == entries[b].priority
    }) {
        dependencies.settle(equals, |&index| &entries[index].plugin);
    }

    for standing in sequence.chunk_by_mut(|&a, &b| entries[a].kind == entries[b].kind) {
        let hooks: Vec<&OrderEntry<Id>> = standing.iter().map(|&index| &entries[index]).collect();
        if let Some(constraints) = Constraints::applying(&hooks) {
            precedence::check(&hooks, &constraints)?;
            let places = placement::place(&constraints);
            let moved: Vec<usize> = places.iter().map(|&rank| standing[rank]).collect();
            standing.copy_from_slice(&moved);
        }
    }
    Ok(sequence)
}
