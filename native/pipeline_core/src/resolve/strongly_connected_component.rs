use petgraph::graph::{DiGraph, NodeIndex};

use super::dependency_graph::DependencyGraph;

/// The vertices that can still be on a cycle, while one after another is ruled out.
///
/// With a vertex go those that nothing open leads to, or that lead to nothing open, and so on. Each vertex
/// goes once, so all of this together costs one pass over the graph, and a search is never sent along a way
/// that leads nowhere.
pub(super) struct StronglyConnectedComponent<'a> {
    graph: &'a DependencyGraph,
    reversed: &'a DiGraph<(), ()>,
    open: Vec<bool>,
    /// Open vertices that a vertex depends on, and that depend on it.
    dependencies: Vec<usize>,
    dependents: Vec<usize>,
}

impl<'a> StronglyConnectedComponent<'a> {
    /// Nothing is open. `reversed` is the same graph with its edges the other way round.
    pub(super) fn new(graph: &'a DependencyGraph, reversed: &'a DiGraph<(), ()>) -> Self {
        let count = graph.vertices();
        Self {
            graph,
            reversed,
            open: vec![false; count],
            dependencies: vec![0; count],
            dependents: vec![0; count],
        }
    }

    pub(super) fn is_open(&self, vertex: usize) -> bool {
        self.open[vertex]
    }

    /// Opens vertices that all lie on cycles among themselves.
    pub(super) fn open(&mut self, vertices: &[usize]) {
        for &vertex in vertices {
            self.open[vertex] = true;
        }
        for &vertex in vertices {
            for (on, _) in self
                .graph
                .dependencies(vertex)
                .filter(|(on, _)| self.open[*on])
            {
                self.dependencies[vertex] += 1;
                self.dependents[on] += 1;
            }
        }
    }

    /// Rules a vertex out, and with it all that can be on no cycle any longer.
    pub(super) fn close(&mut self, vertex: usize) {
        let mut leaving = vec![vertex];
        while let Some(vertex) = leaving.pop() {
            if !std::mem::take(&mut self.open[vertex]) {
                continue;
            }
            for (on, _) in self.graph.dependencies(vertex) {
                self.dependents[on] = self.dependents[on].saturating_sub(1);
                if self.dependents[on] == 0 {
                    leaving.push(on);
                }
            }
            for dependent in self.reversed.neighbors(NodeIndex::new(vertex)) {
                let dependent = dependent.index();
                self.dependencies[dependent] = self.dependencies[dependent].saturating_sub(1);
                if self.dependencies[dependent] == 0 {
                    leaving.push(dependent);
                }
            }
        }
    }
}
