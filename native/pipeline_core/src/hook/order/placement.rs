use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::constraint::{Constraints, Side};

/// Puts the movers to their places between the standing hooks. The constraints must be free of
/// contradictions.
///
/// A mover is placed once every hook it names has its place, the first in standing order first. Movers that
/// name each other wait for each other: then the first of them takes the place it would have without
/// constraints, as far as the hooks already placed allow.
pub(super) fn place(constraints: &Constraints) -> Vec<usize> {
    let mut placement = Placement::new(constraints);
    let mut waits = vec![0; constraints.len()];
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); constraints.len()];
    for mover in constraints.movers() {
        for &(target, _) in constraints.named(mover) {
            if constraints.moves(target) {
                waits[mover] += 1;
                waiting[target].push(mover);
            }
        }
    }
    let movers: Vec<usize> = constraints.movers().collect();
    let mut ready: BinaryHeap<Reverse<usize>> = movers
        .iter()
        .copied()
        .filter(|&mover| waits[mover] == 0)
        .map(Reverse)
        .collect();
    let mut first_waiting = 0;
    loop {
        let mover = if let Some(Reverse(mover)) = ready.pop() {
            placement.join(mover);
            mover
        } else {
            while first_waiting < movers.len() && placement.is_placed(movers[first_waiting]) {
                first_waiting += 1;
            }
            let Some(&mover) = movers.get(first_waiting) else {
                return placement.sequence;
            };
            placement.settle(mover);
            mover
        };
        for &other in &waiting[mover] {
            waits[other] -= 1;
            if waits[other] == 0 && !placement.is_placed(other) {
                ready.push(Reverse(other));
            }
        }
    }
}

const UNPLACED: usize = usize::MAX;

struct Placement<'c> {
    constraints: &'c Constraints,
    earlier: Vec<Vec<usize>>,
    later: Vec<Vec<usize>>,
    sequence: Vec<usize>,
    position: Vec<usize>,
    /// By rank: the hook beside which a mover was put, and on which side of it.
    anchor: Vec<Option<(usize, Side)>>,
}

impl<'c> Placement<'c> {
    fn new(constraints: &'c Constraints) -> Self {
        let count = constraints.len();
        let mut this = Self {
            constraints,
            earlier: vec![Vec::new(); count],
            later: vec![Vec::new(); count],
            sequence: constraints.standing().collect(),
            position: vec![UNPLACED; count],
            anchor: vec![None; count],
        };
        for (earlier, later, _) in constraints.edges() {
            this.earlier[later].push(earlier);
            this.later[earlier].push(later);
        }
        this.number_from(0);
        this
    }

    fn is_placed(&self, rank: usize) -> bool {
        self.position[rank] != UNPLACED
    }

    fn number_from(&mut self, start: usize) {
        for (position, &rank) in self.sequence.iter().enumerate().skip(start) {
            self.position[rank] = position;
        }
    }

    fn insert(&mut self, at: usize, rank: usize) {
        self.sequence.insert(at, rank);
        self.number_from(at);
    }

    /// Places a mover beside the hooks it names.
    fn join(&mut self, mover: usize) {
        let (from, to) = self.gap(mover);
        let follows = self
            .constraints
            .named(mover)
            .iter()
            .any(|&(_, side)| side == Side::After);
        if follows {
            let anchor = self.sequence[from - 1];
            let at = self.behind_peers(mover, anchor, from, to);
            self.anchor[mover] = Some((anchor, Side::After));
            self.insert(at, mover);
        } else {
            let anchor = self.sequence[to];
            let at = self.ahead_of_peers(mover, anchor, from, to);
            self.anchor[mover] = Some((anchor, Side::Before));
            self.insert(at, mover);
        }
    }

    /// Places a mover where the standing order has it, as far as the hooks already placed allow.
    fn settle(&mut self, mover: usize) {
        let (from, to) = self.gap(mover);
        let at = self
            .sequence
            .iter()
            .position(|&rank| rank > mover && !self.constraints.moves(rank))
            .unwrap_or(self.sequence.len());
        self.insert(at.clamp(from, to), mover);
    }

    /// The positions that a mover can be inserted at: behind the last hook that must precede it and not
    /// behind the first that must follow it. Without a contradiction the former stands before the latter.
    fn gap(&self, mover: usize) -> (usize, usize) {
        let from = self
            .placed_beyond(mover, &self.earlier)
            .max()
            .map_or(0, |position| position + 1);
        let to = self
            .placed_beyond(mover, &self.later)
            .min()
            .unwrap_or(self.sequence.len());
        (from, to)
    }

    /// The positions of the nearest placed hooks along `edges`, by way of hooks not placed yet. What lies
    /// beyond a placed hook is farther away in the sequence too.
    fn placed_beyond(&self, mover: usize, edges: &[Vec<usize>]) -> impl Iterator<Item = usize> {
        let mut seen = vec![false; self.position.len()];
        let mut open = vec![mover];
        let mut found = Vec::new();
        seen[mover] = true;
        while let Some(rank) = open.pop() {
            for &next in &edges[rank] {
                if std::mem::replace(&mut seen[next], true) {
                    continue;
                }
                if self.is_placed(next) {
                    found.push(self.position[next]);
                } else {
                    open.push(next);
                }
            }
        }
        found.into_iter()
    }

    /// Behind the movers put after the same hook that come first in standing order, and what was put after
    /// those.
    fn behind_peers(&self, mover: usize, anchor: usize, from: usize, to: usize) -> usize {
        let mut passed = Vec::new();
        let mut at = from;
        while at < to {
            let peer = self.sequence[at];
            match self.anchor[peer] {
                Some((beside, Side::After))
                    if (beside == anchor && peer < mover) || passed.contains(&beside) =>
                {
                    passed.push(peer);
                    at += 1;
                }
                _ => break,
            }
        }
        at
    }

    /// Ahead of the movers put before the same hook that come later in standing order, and what was put
    /// before those.
    fn ahead_of_peers(&self, mover: usize, anchor: usize, from: usize, to: usize) -> usize {
        let mut passed = Vec::new();
        let mut at = to;
        while at > from {
            let peer = self.sequence[at - 1];
            match self.anchor[peer] {
                Some((beside, Side::Before))
                    if (beside == anchor && peer > mover) || passed.contains(&beside) =>
                {
                    passed.push(peer);
                    at -= 1;
                }
                _ => break,
            }
        }
        at
    }
}
