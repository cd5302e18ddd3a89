use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::dependency_graph::{Declaration, DependencyGraph};
use super::strongly_connected_component::StronglyConnectedComponent;
use super::{Identifier, PluginTable};

/// Plugins that wait for each other, in a circle: each edge leads to the `from` of the next, the last to the
/// first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle<N> {
    /// At least one edge; one alone is a plugin that depends on itself.
    pub edges: Vec<CycleEdge<N>>,
}

/// A dependency that is part of a cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleEdge<N> {
    /// The plugin that declares the dependency.
    pub from: N,
    /// The plugin it waits for.
    pub to: N,
    /// The capability by which it does; none if it names the plugin.
    pub capability: Option<N>,
    /// Whether the dependency is optional.
    pub optional: bool,
}

impl<N: Identifier> fmt::Display for Cycle<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.edges.as_slice() {
            return write!(
                f,
                "{} depends on itself: remove that dependency.",
                only.from
            );
        }
        f.write_str("these plugins wait for each other:")?;
        for edge in &self.edges {
            write!(f, "\n  {edge}")?;
        }
        f.write_str("\nRemove one of these dependencies.")
    }
}

impl<N: Identifier> fmt::Display for CycleEdge<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.capability {
            None => write!(f, "{} needs {}", self.from, self.to)?,
            Some(capability) => {
                write!(
                    f,
                    "{} needs the capability {capability}, which {} provides",
                    self.from, self.to
                )?;
            }
        }
        if self.optional {
            f.write_str(" (optional)")
        } else {
            Ok(())
        }
    }
}

/// A shortest cycle of the graph; among several, one through the plugin that stands first in the input.
///
/// Breadth-first from each plugin of each component, no further than the best length so far. A plugin that
/// was searched from is left out of later searches: no shorter cycle leads through it.
pub(super) fn shortest_cycle<N: Identifier>(
    table: &PluginTable<'_, N>,
    graph: &DependencyGraph,
) -> Cycle<N> {
    let mut best: Option<Vec<Declaration>> = None;
    let reversed = graph.reversed();
    let mut component = StronglyConnectedComponent::new(graph, &reversed);
    let mut search = CycleSearch::new(graph);
    for vertices in graph.strongly_connected_components() {
        component.open(&vertices);
        for start in vertices {
            if !graph.is_plugin(start) || !component.is_open(start) {
                continue;
            }
            let limit = best.as_ref().map_or(usize::MAX, Vec::len);
            if let Some(found) = search.shortest_through(start, limit, &component) {
                best = Some(found);
            }
            component.close(start);
        }
    }
    let declared = best.unwrap_or_default();
    let edges = declared.iter().enumerate().map(|(at, from)| {
        let to = declared[(at + 1) % declared.len()].node;
        let dependency = &table.dependencies(from.node)[from.dependency];
        CycleEdge {
            from: table.id(from.node).clone(),
            to: table.id(to).clone(),
            capability: dependency
                .capability
                .then(|| table.names[dependency.name as usize].clone()),
            optional: dependency.optional,
        }
    });
    Cycle {
        edges: edges.collect(),
    }
}

/// A breadth-first search along dependencies, whose memory serves for many.
struct CycleSearch<'a> {
    graph: &'a DependencyGraph,
    /// The declaration that led to a vertex, and the number of the search that found it.
    reached: Vec<(usize, Option<Declaration>)>,
    number: usize,
}

impl<'a> CycleSearch<'a> {
    fn new(graph: &'a DependencyGraph) -> Self {
        Self {
            graph,
            reached: vec![(0, None); graph.vertices()],
            number: 0,
        }
    }

    /// The declarations along a shortest cycle through `start` of fewer plugins than `limit`.
    fn shortest_through(
        &mut self,
        start: usize,
        limit: usize,
        component: &StronglyConnectedComponent<'_>,
    ) -> Option<Vec<Declaration>> {
        self.number += 1;
        let mut queue = VecDeque::from([(start, 1)]);
        let mut capabilities = Vec::new();
        while let Some((plugin, length)) = queue.pop_front() {
            if length >= limit {
                return None;
            }
            capabilities.push((plugin, None));
            // Vertices of capabilities are no step of their own: go on to the providers at once.
            while let Some((vertex, declared)) = capabilities.pop() {
                for (on, own) in self.graph.dependencies(vertex) {
                    let by = declared.or(own);
                    if on == start {
                        return Some(self.way_back(start, by));
                    }
                    if !component.is_open(on) || self.reached[on].0 == self.number {
                        continue;
                    }
                    self.reached[on] = (self.number, by);
                    if self.graph.is_plugin(on) {
                        queue.push_back((on, length + 1));
                    } else {
                        capabilities.push((on, by));
                    }
                }
            }
        }
        None
    }

    fn way_back(&self, start: usize, last: Option<Declaration>) -> Vec<Declaration> {
        let mut way = Vec::new();
        let mut step = last;
        while let Some(declared) = step {
            way.push(declared);
            step = if declared.node == start {
                None
            } else {
                self.reached[declared.node].1
            };
        }
        way.reverse();
        way
    }
}
