use std::fmt;

use pubgrub::VersionSet;

/// A set of numbers with a complement: the first 64 in a word, more only where they are needed, and a flag
/// for all that come after.
///
/// Trailing words that only repeat the flag are dropped, so that equal sets are equal values, as
/// [`VersionSet`] asks. Numbers that no version has are members like any other; nobody ever looks for them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bits {
    low: u64,
    high: Vec<u64>,
    rest: bool,
}

impl Bits {
    fn word(&self, at: usize) -> u64 {
        let rest = if self.rest { u64::MAX } else { 0 };
        if at == 0 {
            self.low
        } else {
            self.high.get(at - 1).copied().unwrap_or(rest)
        }
    }

    fn combined(&self, other: &Self, both: impl Fn(u64, u64) -> u64) -> Self {
        let words = self.high.len().max(other.high.len());
        let high = (1..=words)
            .map(|at| both(self.word(at), other.word(at)))
            .collect();
        let rest = both(u64::from(self.rest), u64::from(other.rest)) & 1 == 1;
        Self {
            low: both(self.low, other.low),
            high,
            rest,
        }
        .trimmed()
    }

    fn trimmed(mut self) -> Self {
        let rest = if self.rest { u64::MAX } else { 0 };
        while self.high.last() == Some(&rest) {
            self.high.pop();
        }
        self
    }

    /// The numbers below the limit that the test picks.
    pub(super) fn of(limit: usize, test: impl Fn(usize) -> bool) -> Self {
        let word = |at: usize| {
            let numbers = (at * 64)..((at + 1) * 64).min(limit);
            numbers
                .filter(|&number| test(number))
                .fold(0, |word, number| word | 1 << (number % 64))
        };
        Self {
            low: word(0),
            high: (1..limit.div_ceil(64)).map(word).collect(),
            rest: false,
        }
        .trimmed()
    }

    /// Adds a number.
    pub(super) fn with(&self, number: usize) -> Self {
        self.union(&Self::singleton(number))
    }

    /// The members below the limit, ascending.
    pub(super) fn below(&self, limit: usize) -> impl DoubleEndedIterator<Item = usize> {
        (0..limit).filter(|number| self.contains(number))
    }

    /// How many members are below the limit.
    pub(super) fn count_below(&self, limit: usize) -> u32 {
        (0..limit.div_ceil(64))
            .map(|at| {
                let inside = limit - at * 64;
                let mask = if inside >= 64 {
                    u64::MAX
                } else {
                    (1 << inside) - 1
                };
                (self.word(at) & mask).count_ones()
            })
            .sum()
    }
}

impl VersionSet for Bits {
    type V = usize;

    fn empty() -> Self {
        Self {
            low: 0,
            high: Vec::new(),
            rest: false,
        }
    }

    fn full() -> Self {
        Self {
            low: u64::MAX,
            high: Vec::new(),
            rest: true,
        }
    }

    fn singleton(number: usize) -> Self {
        let mut high = vec![0; number / 64];
        let mut low = 0;
        *high.last_mut().unwrap_or(&mut low) = 1 << (number % 64);
        Self {
            low,
            high,
            rest: false,
        }
    }

    fn complement(&self) -> Self {
        Self {
            low: !self.low,
            high: self.high.iter().map(|word| !word).collect(),
            rest: !self.rest,
        }
    }

    fn intersection(&self, other: &Self) -> Self {
        self.combined(other, |a, b| a & b)
    }

    fn union(&self, other: &Self) -> Self {
        self.combined(other, |a, b| a | b)
    }

    fn is_disjoint(&self, other: &Self) -> bool {
        let words = self.high.len().max(other.high.len());
        !(self.rest && other.rest) && (0..=words).all(|at| self.word(at) & other.word(at) == 0)
    }

    fn subset_of(&self, other: &Self) -> bool {
        let words = self.high.len().max(other.high.len());
        (other.rest || !self.rest) && (0..=words).all(|at| self.word(at) & !other.word(at) == 0)
    }

    fn contains(&self, number: &usize) -> bool {
        self.word(number / 64) >> (number % 64) & 1 == 1
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 200;

    fn model() -> impl Strategy<Value = (BTreeSet<usize>, bool)> {
        (prop::collection::btree_set(0..LIMIT, 0..6), any::<bool>())
    }

    fn bits((members, complement): &(BTreeSet<usize>, bool)) -> Bits {
        let bits = members
            .iter()
            .fold(Bits::empty(), |bits, &number| bits.with(number));
        if *complement { bits.complement() } else { bits }
    }

    proptest! {
        #[test]
        fn is_a_set_with_a_complement(a in model(), b in model()) {
            let (x, y) = (bits(&a), bits(&b));
            let has = |(members, complement): &(BTreeSet<usize>, bool), number| members.contains(&number) != *complement;
            for number in 0..LIMIT + 100 {
                prop_assert_eq!(x.contains(&number), has(&a, number));
                prop_assert_eq!(x.intersection(&y).contains(&number), has(&a, number) && has(&b, number));
                prop_assert_eq!(x.union(&y).contains(&number), has(&a, number) || has(&b, number));
            }
            prop_assert_eq!(x.complement().complement(), x.clone());
            prop_assert_eq!(x.union(&y), x.complement().intersection(&y.complement()).complement());
            prop_assert_eq!(x.is_disjoint(&y), x.intersection(&y) == Bits::empty());
            prop_assert_eq!(x.subset_of(&y), x.intersection(&y) == x);
            prop_assert_eq!(x == y, (0..LIMIT + 100).all(|number| x.contains(&number) == y.contains(&number)));
            prop_assert_eq!(x.below(70).count(), x.count_below(70) as usize);
            prop_assert_eq!(Bits::of(LIMIT, |number| has(&a, number)), x.intersection(&Bits::of(LIMIT, |_| true)));
        }
    }
}
