use std::fmt;

/// A place of a series in a figure, and what was measured there, round by round.
pub(crate) struct FigurePoint {
    pub(crate) figure: &'static str,
    pub(crate) series: &'static str,
    pub(crate) x: usize,
    pub(crate) rounds: Vec<f64>,
}

/// As the figures are drawn of: median, lowest and highest tenth, with tabs between them.
impl fmt::Display for FigurePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let tenth = sorted.len() / 10;
        write!(
            f,
            "{}\t{}\t{}\t{}\t{}\t{}",
            self.figure,
            self.series,
            self.x,
            sorted[sorted.len() / 2],
            sorted[tenth],
            sorted[sorted.len() - 1 - tenth],
        )
    }
}
