use petgraph::Direction;

use super::dependency_graph::DependencyGraph;

impl DependencyGraph {
    /// Plugins by the longest way to them from a plugin without predecessors; nothing if there is a cycle.
    ///
    /// `towards` is [`Direction::Outgoing`] to begin with plugins that depend on nothing,
    /// [`Direction::Incoming`] to begin with those that nothing depends on. A wave is in ascending order.
    pub(super) fn waves(&self, towards: Direction) -> Option<Vec<Vec<usize>>> {
        let order = self.order()?;
        let mut wave = vec![0_u32; self.vertices()];
        let after = |vertex: usize, wave: &[u32]| wave[vertex] + u32::from(self.is_plugin(vertex));
        match towards {
            Direction::Outgoing => {
                for vertex in order {
                    let on = self.range(vertex).map(|edge| after(self.on(edge), &wave));
                    wave[vertex] = on.max().unwrap_or(0);
                }
            }
            Direction::Incoming => {
                for vertex in order.into_iter().rev() {
                    let after = after(vertex, &wave);
                    for edge in self.range(vertex) {
                        let on = self.on(edge);
                        wave[on] = wave[on].max(after);
                    }
                }
            }
        }
        wave.truncate(self.plugins());
        let count = wave.iter().max().map_or(0, |&last| last as usize + 1);
        let mut sizes = vec![0; count];
        for &wave in &wave {
            sizes[wave as usize] += 1;
        }
        let mut waves: Vec<Vec<usize>> = sizes.into_iter().map(Vec::with_capacity).collect();
        for (plugin, &wave) in wave.iter().enumerate() {
            waves[wave as usize].push(plugin);
        }
        Some(waves)
    }

    /// The vertices, each behind all that it depends on; nothing if there is a cycle.
    ///
    /// Depth-first along dependencies, with a stack of its own. The dependents of a vertex need not be known
    /// for this, so there is no second list of edges to build.
    fn order(&self) -> Option<Vec<usize>> {
        let mut order = Vec::with_capacity(self.vertices());
        let mut seen = vec![Seen::Not; self.vertices()];
        let mut open = Vec::new();
        for start in 0..self.vertices() {
            if seen[start] == Seen::Not {
                seen[start] = Seen::Open;
                open.push((start, self.range(start)));
            }
            while let Some((vertex, edges)) = open.last_mut() {
                let next = edges
                    .by_ref()
                    .find(|&edge| seen[self.on(edge)] != Seen::Passed);
                let Some(edge) = next else {
                    seen[*vertex] = Seen::Passed;
                    order.push(*vertex);
                    open.pop();
                    continue;
                };
                let on = self.on(edge);
                if seen[on] == Seen::Open {
                    return None;
                }
                seen[on] = Seen::Open;
                open.push((on, self.range(on)));
            }
        }
        Some(order)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Not,
    Open,
    Passed,
}
