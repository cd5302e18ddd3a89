/// How often things are measured: as often as a figure that is shown needs, or only to see that it can be.
#[derive(Clone, Copy)]
pub(crate) enum Effort {
    Full,
    Quick,
}

impl Effort {
    /// How many rounds to measure, of those that it takes in full.
    pub(crate) fn rounds(self, full: usize) -> usize {
        match self {
            Effort::Full => full,
            Effort::Quick => full.min(3),
        }
    }
}
