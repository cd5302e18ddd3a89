use std::collections::HashMap;

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

use super::targets::Targets;
use super::{Name, Node, Target};

/// A dependency as declared: the plugin, and the place in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) node: usize,
    pub(super) dependency: usize,
}

/// The dependencies among a set of plugins; edges run from what is depended on to the dependent.
///
/// The first vertices are the plugins. Behind them stand vertices for capabilities, so that many dependents and many
/// providers of one capability make as many edges as there are of both, and not their product.
pub(super) struct Graph {
    graph: DiGraph<(), Option<Declared>>,
    plugins: usize,
}

/// The plugins that have to do with one capability.
#[derive(Default)]
struct Capability {
    providers: Vec<usize>,
    dependents: Vec<Declared>,
}

impl Graph {
    /// Dependencies on what is not among the nodes are left out.
    pub(super) fn new<N: Name>(nodes: &[Node<N>], targets: &Targets) -> Self {
        let mut graph = DiGraph::with_capacity(nodes.len(), targets.len());
        for _ in nodes {
            graph.add_node(());
        }
        let mut this = Self {
            graph,
            plugins: nodes.len(),
        };

        // A list beside the map: the map's own order differs from run to run.
        let mut capabilities: Vec<Capability> = Vec::new();
        let mut by_capability: HashMap<&N, usize> = HashMap::new();
        let mut targets = targets.iter();
        for (node, plugin) in nodes.iter().enumerate() {
            for ((dependency, declared), &on) in
                plugin.dependencies.iter().enumerate().zip(&mut targets)
            {
                let origin = Declared { node, dependency };
                match &declared.target {
                    Target::Plugin(..) => {
                        if let Some(on) = on.filter(|&on| on < nodes.len()) {
                            this.add(on, node, Some(origin));
                        }
                    }
                    Target::Capability(capability) => {
                        let at = *by_capability.entry(capability).or_insert_with(|| {
                            capabilities.push(Capability::default());
                            capabilities.len() - 1
                        });
                        capabilities[at].dependents.push(origin);
                    }
                }
            }
        }
        for (node, plugin) in nodes.iter().enumerate() {
            for at in plugin
                .capabilities
                .iter()
                .filter_map(|capability| by_capability.get(capability))
            {
                capabilities[*at].providers.push(node);
            }
        }
        let mut provides = vec![false; nodes.len()];
        for capability in &capabilities {
            this.add_capability(capability, &mut provides);
        }
        this
    }

    /// A plugin that depends on what it provides waits for the other providers. Of two that do, each waits for the
    /// other: a cycle, for which a few of the edges between them are enough.
    ///
    /// `provides` is memory for one flag for each plugin, none set before and after.
    fn add_capability(&mut self, capability: &Capability, provides: &mut [bool]) {
        for &node in &capability.providers {
            provides[node] = true;
        }
        let (wrappers, dependents): (Vec<Declared>, Vec<Declared>) = capability
            .dependents
            .iter()
            .partition(|dependent| provides[dependent.node]);
        for wrapper in &wrappers {
            provides[wrapper.node] = false;
        }

        let others = self.graph.add_node(()).index();
        for &provider in capability.providers.iter().filter(|&&node| provides[node]) {
            self.add(provider, others, None);
        }
        for &node in &capability.providers {
            provides[node] = false;
        }
        for &wrapper in &wrappers {
            self.add(others, wrapper.node, Some(wrapper));
        }
        if let Some(&first) = wrappers.first() {
            let mut second = None;
            for &wrapper in wrappers.iter().filter(|wrapper| wrapper.node != first.node) {
                self.add(first.node, wrapper.node, Some(wrapper));
                second.get_or_insert(wrapper);
            }
            if let Some(second) = second {
                self.add(second.node, first.node, Some(first));
            }
        }

        let all = if wrappers.is_empty() {
            others
        } else {
            let all = self.graph.add_node(()).index();
            self.add(others, all, None);
            for wrapper in &wrappers {
                self.add(wrapper.node, all, None);
            }
            all
        };
        for &dependent in &dependents {
            self.add(all, dependent.node, Some(dependent));
        }
    }

    fn add(&mut self, on: usize, dependent: usize, declared: Option<Declared>) {
        self.graph
            .add_edge(NodeIndex::new(on), NodeIndex::new(dependent), declared);
    }

    pub(super) fn is_plugin(&self, vertex: usize) -> bool {
        vertex < self.plugins
    }

    pub(super) fn vertices(&self) -> usize {
        self.graph.node_count()
    }

    /// What a vertex depends on, with the declarations.
    pub(super) fn dependencies(
        &self,
        vertex: usize,
    ) -> impl Iterator<Item = (usize, Option<Declared>)> {
        self.graph
            .edges_directed(NodeIndex::new(vertex), Direction::Incoming)
            .map(|edge| (edge.source().index(), *edge.weight()))
    }

    /// What depends on a vertex.
    pub(super) fn dependents(&self, vertex: usize) -> impl Iterator<Item = usize> {
        self.graph
            .neighbors_directed(NodeIndex::new(vertex), Direction::Outgoing)
            .map(NodeIndex::index)
    }

    /// The groups of vertices that wait for each other, a self-dependency included, each in ascending order.
    pub(super) fn knots(&self) -> Vec<Vec<usize>> {
        let mut knots: Vec<Vec<usize>> = kosaraju_scc(&self.graph)
            .into_iter()
            .filter(|group| {
                group.len() > 1
                    || group
                        .iter()
                        .any(|&vertex| self.graph.contains_edge(vertex, vertex))
            })
            .map(|group| {
                let mut knot: Vec<usize> = group.into_iter().map(NodeIndex::index).collect();
                knot.sort_unstable();
                knot
            })
            .collect();
        knots.sort_unstable();
        knots
    }

    /// Removes the edges inside knots whose declaration the test picks.
    pub(super) fn loosen(&mut self, may_go: impl Fn(Declared) -> bool) {
        let mut knot_of = vec![None; self.vertices()];
        for (at, knot) in self.knots().iter().enumerate() {
            for &vertex in knot {
                knot_of[vertex] = Some(at);
            }
        }
        self.graph.retain_edges(|graph, edge: EdgeIndex| {
            let inside = graph.edge_endpoints(edge).is_some_and(|(on, dependent)| {
                knot_of[on.index()].is_some() && knot_of[on.index()] == knot_of[dependent.index()]
            });
            !(inside && graph[edge].is_some_and(&may_go))
        });
    }

    /// Plugins by the longest way to them from a plugin without predecessors; nothing if there is a cycle.
    ///
    /// `towards` is [`Direction::Outgoing`] to begin with plugins that depend on nothing, [`Direction::Incoming`] to
    /// begin with those that nothing depends on. A wave is in ascending order.
    pub(super) fn waves(&self, towards: Direction) -> Option<Vec<Vec<usize>>> {
        let mut waits_for: Vec<usize> = vec![0; self.vertices()];
        for edge in self.graph.raw_edges() {
            let vertex = match towards {
                Direction::Outgoing => edge.target(),
                Direction::Incoming => edge.source(),
            };
            waits_for[vertex.index()] += 1;
        }
        let mut free: Vec<NodeIndex> = self
            .graph
            .node_indices()
            .filter(|vertex| waits_for[vertex.index()] == 0)
            .collect();
        let mut wave = vec![0; self.vertices()];
        let mut passed = 0;
        // Kahn's algorithm. The longest way to a vertex is known once all its predecessors have passed, in any order.
        while let Some(vertex) = free.pop() {
            passed += 1;
            let after = wave[vertex.index()] + usize::from(self.is_plugin(vertex.index()));
            for next in self.graph.neighbors_directed(vertex, towards) {
                let at = next.index();
                wave[at] = after.max(wave[at]);
                waits_for[at] -= 1;
                if waits_for[at] == 0 {
                    free.push(next);
                }
            }
        }
        if passed < self.vertices() {
            return None;
        }
        wave.truncate(self.plugins);
        let mut waves = vec![Vec::new(); wave.iter().max().map_or(0, |last| last + 1)];
        wave.iter()
            .enumerate()
            .for_each(|(plugin, &wave)| waves[wave].push(plugin));
        Some(waves)
    }
}
