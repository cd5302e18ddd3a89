use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::capability_groups::CapabilityGroups;
use super::plugin_by_id::PluginById;
use super::plugin_table::number;
use super::{Identifier, PluginTable};

/// A dependency as declared: the plugin, and the place in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Declaration {
    pub(super) node: usize,
    pub(super) dependency: usize,
}

/// The dependencies among a set of plugins.
///
/// The first vertices are the plugins. Behind them stand vertices for capabilities, so that many dependents
/// and many providers of one capability make as many edges as there are of both, and not their product.
///
/// All edges lie in one list, vertex after vertex; the order is found along these alone.
pub(super) struct DependencyGraph {
    plugins: usize,
    /// Where the edges of each vertex end.
    ends: Vec<u32>,
    edges: Vec<DependencyEdge>,
}

#[derive(Clone, Copy)]
struct DependencyEdge {
    on: u32,
    /// The place of the declaration in the plugin's list; [`NOBODY`] where a capability's vertex depends.
    dependency: u32,
}

const NOBODY: u32 = u32::MAX;

impl DependencyGraph {
    /// Dependencies on what is not among the plugins to be ordered are left out.
    pub(super) fn new<N: Identifier>(
        table: &PluginTable<'_, N>,
        plugins_by_id: &PluginById,
    ) -> Self {
        let capabilities = CapabilityGroups::new(table);
        let plugins = table.to_order();
        let mut this = Self {
            plugins,
            ends: Vec::with_capacity(plugins + 2 * capabilities.all.len()),
            edges: Vec::with_capacity(table.all_dependencies()),
        };
        let mut on_capabilities = Vec::new();
        for node in 0..plugins {
            for (dependency, declared) in table.dependencies(node).iter().enumerate() {
                if declared.capability {
                    on_capabilities.push((capabilities.get(declared.name), dependency));
                } else if let Some(on) = plugins_by_id.get(declared.name).filter(|&on| on < plugins)
                {
                    this.add(on, Some(dependency));
                }
            }
            on_capabilities.sort_unstable();
            for (at, dependency) in on_capabilities.drain(..) {
                let awaited = at.map_or([None, None], |at| {
                    capabilities.all[at].awaited(Declaration { node, dependency })
                });
                for on in awaited.into_iter().flatten() {
                    this.add(on, Some(dependency));
                }
            }
            this.end();
        }
        for capability in &capabilities.all {
            for &provider in &capability.providers {
                this.add(provider, None);
            }
            this.end();
            if !capability.wrappers.is_empty() {
                this.add(capability.others, None);
                for wrapper in &capability.wrappers {
                    this.add(wrapper.node, None);
                }
                this.end();
            }
        }
        this
    }

    #[inline]
    fn add(&mut self, on: usize, dependency: Option<usize>) {
        self.edges.push(DependencyEdge {
            on: number(on),
            dependency: dependency.map_or(NOBODY, number),
        });
    }

    #[inline]
    fn end(&mut self) {
        self.ends.push(number(self.edges.len()));
    }

    pub(super) fn is_plugin(&self, vertex: usize) -> bool {
        vertex < self.plugins
    }

    pub(super) fn plugins(&self) -> usize {
        self.plugins
    }

    pub(super) fn vertices(&self) -> usize {
        self.ends.len()
    }

    /// Where the edges of a vertex begin and end.
    pub(super) fn range(&self, vertex: usize) -> std::ops::Range<usize> {
        let start = vertex.checked_sub(1).map_or(0, |before| self.ends[before]);
        start as usize..self.ends[vertex] as usize
    }

    /// The vertex that the edge at a place leads to.
    pub(super) fn on(&self, edge: usize) -> usize {
        self.edges[edge].on as usize
    }

    /// The vertices that a vertex depends on, with the declarations.
    pub(super) fn dependencies(
        &self,
        vertex: usize,
    ) -> impl Iterator<Item = (usize, Option<Declaration>)> {
        self.edges[self.range(vertex)]
            .iter()
            .rev()
            .map(move |edge| {
                let declared = (edge.dependency != NOBODY).then_some(Declaration {
                    node: vertex,
                    dependency: edge.dependency as usize,
                });
                (edge.on as usize, declared)
            })
    }

    /// The graph with edges from what is depended on to the dependent.
    pub(super) fn reversed(&self) -> DiGraph<(), ()> {
        let mut reversed = DiGraph::with_capacity(self.vertices(), self.edges.len());
        for _ in 0..self.vertices() {
            reversed.add_node(());
        }
        for vertex in 0..self.vertices() {
            for edge in &self.edges[self.range(vertex)] {
                reversed.add_edge(NodeIndex::new(edge.on as usize), NodeIndex::new(vertex), ());
            }
        }
        reversed
    }

    /// The groups of vertices that wait for each other, a self-dependency included, each in ascending order.
    pub(super) fn strongly_connected_components(&self) -> Vec<Vec<usize>> {
        let mut strongly_connected_components: Vec<Vec<usize>> = kosaraju_scc(&self.reversed())
            .into_iter()
            .map(|group| group.into_iter().map(NodeIndex::index).collect::<Vec<_>>())
            .filter(|group| {
                let itself = |&vertex| self.dependencies(vertex).any(|(on, _)| on == vertex);
                group.len() > 1 || group.iter().any(itself)
            })
            .collect();
        for component in &mut strongly_connected_components {
            component.sort_unstable();
        }
        strongly_connected_components.sort_unstable();
        strongly_connected_components
    }

    /// Removes the edges inside strongly connected components whose declaration the test picks.
    pub(super) fn loosen(&mut self, may_go: impl Fn(Declaration) -> bool) {
        let mut component_of = vec![None; self.vertices()];
        for (at, component) in self.strongly_connected_components().iter().enumerate() {
            for &vertex in component {
                component_of[vertex] = Some(at);
            }
        }
        let mut kept = Vec::with_capacity(self.edges.len());
        let mut ends = Vec::with_capacity(self.ends.len());
        for node in 0..self.vertices() {
            kept.extend(self.edges[self.range(node)].iter().filter(|edge| {
                let inside = component_of[node].is_some()
                    && component_of[node] == component_of[edge.on as usize];
                let dependency = edge.dependency as usize;
                !(inside && edge.dependency != NOBODY && may_go(Declaration { node, dependency }))
            }));
            ends.push(number(kept.len()));
        }
        (self.edges, self.ends) = (kept, ends);
    }
}
