use std::collections::VecDeque;

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

use super::constraint::{Constraints, Side};
use super::contradiction::{Contradiction, Precedence, PrecedenceReason};
use super::entry::OrderEntry;

/// Which hook must run before which. An edge without a reason costs nothing.
///
/// The standing hooks form a chain, and any two of them are one step apart in an explanation. So each has,
/// beside its own node, one on a lane that leads along the chain: entering the lane is the step, riding on it
/// is free.
type PrecedenceGraph = DiGraph<(), Option<PrecedenceReason>>;

/// Refuses constraints that cannot all hold.
pub(super) fn check<Id: Clone>(
    hooks: &[&OrderEntry<Id>],
    constraints: &Constraints,
) -> Result<(), Contradiction<Id>> {
    let graph = graph(constraints);
    let mut cyclic = vec![false; graph.node_count()];
    for component in kosaraju_scc(&graph)
        .iter()
        .filter(|component| component.len() > 1)
    {
        for node in component {
            cyclic[node.index()] = true;
        }
    }
    // The chain alone has no cycle, so that every cycle passes through a mover.
    let shortest = constraints
        .movers()
        .filter(|&rank| cyclic[rank])
        .filter_map(|rank| cycle_through(&graph, NodeIndex::new(rank), constraints.len()))
        .min_by_key(Vec::len);
    let Some(steps) = shortest else { return Ok(()) };
    let cycle = steps
        .into_iter()
        .map(|(earlier, later, reason)| Precedence {
            earlier: hooks[earlier].plugin.clone(),
            later: hooks[later].plugin.clone(),
            reason,
        })
        .collect();
    let kind = hooks[0].kind;
    Err(Contradiction { kind, cycle })
}

fn graph(constraints: &Constraints) -> PrecedenceGraph {
    let mut graph = PrecedenceGraph::new();
    for _ in 0..constraints.len() {
        graph.add_node(());
    }
    let mut last: Option<(NodeIndex, NodeIndex)> = None;
    for rank in constraints.standing() {
        let hook = NodeIndex::new(rank);
        let lane = graph.add_node(());
        graph.add_edge(lane, hook, None);
        if let Some((last_hook, last_lane)) = last {
            graph.add_edge(last_hook, lane, Some(PrecedenceReason::Standing));
            graph.add_edge(last_lane, lane, None);
        }
        last = Some((hook, lane));
    }
    for (earlier, later, side) in constraints.edges() {
        let reason = match side {
            Side::Before => PrecedenceReason::DeclaredBefore,
            Side::After => PrecedenceReason::DeclaredAfter,
        };
        graph.add_edge(NodeIndex::new(earlier), NodeIndex::new(later), Some(reason));
    }
    graph
}

/// The shortest cycle through `start`, as steps between hooks: a breadth-first search in which free edges go
/// first.
fn cycle_through(
    graph: &PrecedenceGraph,
    start: NodeIndex,
    hooks: usize,
) -> Option<Vec<(usize, usize, PrecedenceReason)>> {
    let mut distance = vec![usize::MAX; graph.node_count()];
    let mut came: Vec<Option<EdgeIndex>> = vec![None; graph.node_count()];
    let mut queue = VecDeque::from([(start, 0)]);
    distance[start.index()] = 0;
    while let Some((node, far)) = queue.pop_front() {
        if far > distance[node.index()] {
            continue;
        }
        for edge in graph.edges(node) {
            let target = edge.target();
            let cost = usize::from(edge.weight().is_some());
            if far + cost < distance[target.index()] {
                distance[target.index()] = far + cost;
                came[target.index()] = Some(edge.id());
                if cost == 0 {
                    queue.push_front((target, far));
                } else {
                    queue.push_back((target, far + 1));
                }
            }
        }
    }
    let closing = graph
        .edges_directed(start, Direction::Incoming)
        .filter(|edge| distance[edge.source().index()] != usize::MAX)
        .min_by_key(|edge| distance[edge.source().index()])?;

    let mut steps = Vec::new();
    let mut later = start.index();
    let mut edge = Some(closing.id());
    let mut reason = None;
    while let Some((source, _)) = edge.and_then(|edge| graph.edge_endpoints(edge)) {
        reason = reason.or(edge.and_then(|edge| graph[edge]));
        if source.index() < hooks {
            // Every way from hook to hook has exactly one edge with a reason.
            steps.push((source.index(), later, reason.take()?));
            later = source.index();
        }
        if source == start {
            break;
        }
        edge = came[source.index()];
    }
    steps.reverse();
    Some(steps)
}
