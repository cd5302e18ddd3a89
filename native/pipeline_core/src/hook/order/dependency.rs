use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;

/// The dependencies between plugins, fetched once per plugin and only as far as they are needed.
pub(super) struct Dependencies<'d, Id, D> {
    fetch: D,
    numbers: HashMap<&'d Id, usize>,
    /// By number; `None` until fetched.
    direct: Vec<Option<Vec<usize>>>,
    ids: Vec<&'d Id>,
}

impl<'d, Id, D> Dependencies<'d, Id, D>
where
    Id: Eq + Hash,
    D: Fn(&Id) -> &'d [Id],
{
    pub(super) fn new(fetch: D) -> Self {
        Self {
            fetch,
            numbers: HashMap::new(),
            direct: Vec::new(),
            ids: Vec::new(),
        }
    }

    /// Moves hooks behind those of the plugins theirs depends on, and otherwise leaves them as they stand.
    pub(super) fn settle<T: Copy>(&mut self, hooks: &mut [T], plugin: impl Fn(&T) -> &'d Id) {
        if hooks.len() < 2
            || hooks
                .iter()
                .all(|hook| (self.fetch)(plugin(hook)).is_empty())
        {
            return;
        }
        let plugins: Vec<usize> = hooks.iter().map(|hook| self.number(plugin(hook))).collect();
        let order = Settling::new(self, &plugins).run();
        let settled: Vec<T> = order.iter().map(|&position| hooks[position]).collect();
        hooks.copy_from_slice(&settled);
    }

    fn number(&mut self, id: &'d Id) -> usize {
        let next = self.ids.len();
        let number = *self.numbers.entry(id).or_insert(next);
        if number == next {
            self.ids.push(id);
            self.direct.push(None);
        }
        number
    }

    fn direct(&mut self, plugin: usize) -> &[usize] {
        if self.direct[plugin].is_none() {
            let ids = (self.fetch)(self.ids[plugin]);
            let numbers = ids
                .iter()
                .map(|id| self.number(id))
                .filter(|&number| number != plugin)
                .collect();
            self.direct[plugin] = Some(numbers);
        }
        self.direct[plugin].as_deref().unwrap_or_default()
    }
}

/// One topological sort over hooks: the plugins in reach, of which only some have hooks in the run.
struct Settling {
    /// By plugin number: its node here.
    nodes: Vec<Option<usize>>,
    /// By hook: the node of its plugin.
    node_of: Vec<usize>,
    dependents: Vec<Vec<usize>>,
    pending: Vec<usize>,
    hooks: Vec<Vec<usize>>,
    unplaced: Vec<usize>,
    released: Vec<bool>,
    ready: BinaryHeap<Reverse<usize>>,
}

impl Settling {
    fn new<'d, Id, D>(dependencies: &mut Dependencies<'d, Id, D>, plugins: &[usize]) -> Self
    where
        Id: Eq + Hash,
        D: Fn(&Id) -> &'d [Id],
    {
        let mut this = Self {
            nodes: Vec::new(),
            node_of: Vec::with_capacity(plugins.len()),
            dependents: Vec::new(),
            pending: Vec::new(),
            hooks: Vec::new(),
            unplaced: Vec::new(),
            released: Vec::new(),
            ready: BinaryHeap::new(),
        };
        let mut open = Vec::new();
        for (position, &plugin) in plugins.iter().enumerate() {
            let node = this.node(plugin, &mut open);
            this.node_of.push(node);
            this.hooks[node].push(position);
            this.unplaced[node] += 1;
        }
        while let Some((plugin, node)) = open.pop() {
            for &dependency in dependencies.direct(plugin) {
                let dependency = this.node(dependency, &mut open);
                this.dependents[dependency].push(node);
                this.pending[node] += 1;
            }
        }
        this
    }

    fn node(&mut self, plugin: usize, open: &mut Vec<(usize, usize)>) -> usize {
        if self.nodes.len() <= plugin {
            self.nodes.resize(plugin + 1, None);
        }
        let next = self.pending.len();
        let node = *self.nodes[plugin].get_or_insert(next);
        if node == next {
            open.push((plugin, node));
            self.dependents.push(Vec::new());
            self.pending.push(0);
            self.hooks.push(Vec::new());
            self.unplaced.push(0);
            self.released.push(false);
        }
        node
    }

    fn run(mut self) -> Vec<usize> {
        let free: Vec<usize> = (0..self.pending.len())
            .filter(|&node| self.pending[node] == 0)
            .collect();
        self.release(free);
        let mut order = Vec::with_capacity(self.node_of.len());
        let mut stuck = 0;
        while order.len() < self.node_of.len() {
            let Some(Reverse(position)) = self.ready.pop() else {
                // A dependency cycle, which resolution refuses. Here it must only not hang: break it at the
                // hook registered first.
                let node = self.node_of[stuck];
                stuck += 1;
                self.release(vec![node]);
                continue;
            };
            order.push(position);
            let node = self.node_of[position];
            self.unplaced[node] -= 1;
            if self.unplaced[node] == 0 {
                let freed = self.finish(node);
                self.release(freed);
            }
        }
        order
    }

    /// Makes plugins' hooks available; a plugin that has none is done at once.
    fn release(&mut self, mut nodes: Vec<usize>) {
        while let Some(node) = nodes.pop() {
            if std::mem::replace(&mut self.released[node], true) {
                continue;
            }
            if self.hooks[node].is_empty() {
                nodes.extend(self.finish(node));
            } else {
                self.ready
                    .extend(self.hooks[node].iter().copied().map(Reverse));
            }
        }
    }

    fn finish(&mut self, node: usize) -> Vec<usize> {
        let mut freed = Vec::new();
        for dependent in std::mem::take(&mut self.dependents[node]) {
            self.pending[dependent] -= 1;
            if self.pending[dependent] == 0 {
                freed.push(dependent);
            }
        }
        freed
    }
}
