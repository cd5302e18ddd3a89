use petgraph::Direction;

use super::cycle::shortest_cycle;
use super::dependency_graph::DependencyGraph;
use super::interned_plugins::InternedPlugins;
use super::plugin_by_id::PluginById;
use super::unmet::unmet;
use super::{Identifier, Node, PluginTable, ResolveError};

/// Sorts plugins into waves, dependencies ahead of dependents.
///
/// A wave is a list of indices into `nodes`, ascending; the plugins in it can be loaded in parallel once the
/// waves before it are loaded, and each plugin stands in the earliest wave it can. `present` are the plugins
/// that are loaded already: they meet dependencies and are not ordered. The same input gives the same output.
///
/// Takes time in proportion to plugins and dependencies, also where a capability has many providers and
/// dependents.
///
/// # Errors
///
/// [`ResolveError::DuplicateId`] and [`ResolveError::AlreadyLoaded`]; then all unmet dependencies at once as
/// [`ResolveError::Unmet`]; then [`ResolveError::Cycle`] with a shortest cycle, optional dependencies
/// included.
pub fn load_order<N: Identifier>(
    nodes: &[Node<N>],
    present: &[Node<N>],
) -> Result<Vec<Vec<usize>>, ResolveError<N>> {
    InternedPlugins::new(nodes, present).table().load_order()
}

/// Sorts plugins into waves, dependents ahead of dependencies.
///
/// `nodes` are the plugins to unload; what they depend on outside of these stays and is not looked at.
///
/// Plugins that were loaded one after another can come to wait for each other, when one that provides a
/// capability arrives after a plugin that depends on it. Where this happens, dependencies on capabilities and
/// optional ones give way to those on plugins, so that whatever could be loaded can be unloaded.
///
/// # Errors
///
/// [`ResolveError::DuplicateId`]; [`ResolveError::Cycle`] if plugins require each other by id.
pub fn unload_order<N: Identifier>(nodes: &[Node<N>]) -> Result<Vec<Vec<usize>>, ResolveError<N>> {
    InternedPlugins::new(nodes, &[]).table().unload_order()
}

impl<N: Identifier> PluginTable<'_, N> {
    /// [`load_order`] of the plugins of the builder.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn load_order(&self) -> Result<Vec<Vec<usize>>, ResolveError<N>> {
        let plugins_by_id = PluginById::new(self)?;
        let unmet = unmet(self, &plugins_by_id);
        if !unmet.is_empty() {
            return Err(ResolveError::Unmet(unmet));
        }
        self.waves(
            &DependencyGraph::new(self, &plugins_by_id),
            Direction::Outgoing,
        )
    }

    /// [`unload_order`] of the plugins of the builder.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn unload_order(&self) -> Result<Vec<Vec<usize>>, ResolveError<N>> {
        let mut graph = DependencyGraph::new(self, &PluginById::new(self)?);
        if let Some(waves) = graph.waves(Direction::Incoming) {
            return Ok(waves);
        }
        graph.loosen(|declared| {
            let dependency = &self.dependencies(declared.node)[declared.dependency];
            dependency.optional || dependency.capability
        });
        self.waves(&graph, Direction::Incoming)
    }

    fn waves(
        &self,
        graph: &DependencyGraph,
        towards: Direction,
    ) -> Result<Vec<Vec<usize>>, ResolveError<N>> {
        graph
            .waves(towards)
            .ok_or_else(|| ResolveError::Cycle(shortest_cycle(self, graph)))
    }
}
