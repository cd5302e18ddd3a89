use petgraph::Direction;

use super::cycle::shortest_cycle;
use super::graph::Graph;
use super::numbering::Numbering;
use super::places::Places;
use super::unmet::unmet;
use super::{Name, Node, ResolveError, Roster};

/// Sorts plugins into waves, dependencies ahead of dependents.
///
/// A wave is a list of indices into `nodes`, ascending; the plugins in it can be loaded in parallel once the waves before
/// it are loaded, and each plugin stands in the earliest wave it can. `present` are the plugins that are loaded already:
/// they meet dependencies and are not ordered. The same input gives the same output.
///
/// Takes time in proportion to plugins and dependencies, also where a capability has many providers and dependents.
///
/// # Errors
///
/// [`ResolveError::DuplicateId`] and [`ResolveError::AlreadyLoaded`]; then all unmet dependencies at once as
/// [`ResolveError::Unmet`]; then [`ResolveError::Cycle`] with a shortest cycle, optional dependencies included.
pub fn load_order<N: Name>(
    nodes: &[Node<N>],
    present: &[Node<N>],
) -> Result<Vec<Vec<usize>>, ResolveError<N>> {
    Numbering::new(nodes, present).roster().load_order()
}

/// Sorts plugins into waves, dependents ahead of dependencies.
///
/// `nodes` are the plugins to unload; what they depend on outside of these stays and is not looked at.
///
/// Plugins that were loaded one after another can come to wait for each other, when one that provides a capability
/// arrives after a plugin that depends on it. Where this happens, dependencies on capabilities and optional ones give
/// way to those on plugins, so that whatever could be loaded can be unloaded.
///
/// # Errors
///
/// [`ResolveError::DuplicateId`]; [`ResolveError::Cycle`] if plugins require each other by id.
pub fn unload_order<N: Name>(nodes: &[Node<N>]) -> Result<Vec<Vec<usize>>, ResolveError<N>> {
    Numbering::new(nodes, &[]).roster().unload_order()
}

impl<N: Name> Roster<'_, N> {
    /// [`load_order`] of the plugins of the draft.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn load_order(&self) -> Result<Vec<Vec<usize>>, ResolveError<N>> {
        let places = Places::new(self)?;
        let unmet = unmet(self, &places);
        if !unmet.is_empty() {
            return Err(ResolveError::Unmet(unmet));
        }
        self.waves(&Graph::new(self, &places), Direction::Outgoing)
    }

    /// [`unload_order`] of the plugins of the draft.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn unload_order(&self) -> Result<Vec<Vec<usize>>, ResolveError<N>> {
        let mut graph = Graph::new(self, &Places::new(self)?);
        if let Some(waves) = graph.waves(Direction::Incoming) {
            return Ok(waves);
        }
        graph.loosen(|declared| {
            let need = &self.needs(declared.node)[declared.dependency];
            need.optional || need.capability
        });
        self.waves(&graph, Direction::Incoming)
    }

    fn waves(&self, graph: &Graph, towards: Direction) -> Result<Vec<Vec<usize>>, ResolveError<N>> {
        graph
            .waves(towards)
            .ok_or_else(|| ResolveError::Cycle(shortest_cycle(self, graph)))
    }
}
