use std::fmt;
use std::time::{Duration, Instant};

/// One side of a comparison: does its work a number of times and tells how long that took.
pub(crate) type Contender<'a> = &'a mut dyn FnMut(u32) -> Duration;

/// The result of a comparison.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) against: &'static str,
    pub(crate) target: Option<f64>,
    /// Nanoseconds for each piece of work, in the order of the rounds: the subject's and the reference's.
    pub(crate) rounds: Vec<(f64, f64)>,
}

/// Times a loop.
pub(crate) fn repeat(times: u32, mut work: impl FnMut()) -> Duration {
    let started = Instant::now();
    for _ in 0..times {
        work();
    }
    started.elapsed()
}

/// Runs both sides in turns, so that whatever else the machine does falls on both. Which of them goes first
/// changes from round to round.
pub(crate) fn rounds(
    rounds: usize,
    times: (u32, u32),
    subject: Contender<'_>,
    reference: Contender<'_>,
) -> Vec<(f64, f64)> {
    let mut each = |round: usize| {
        let first = (round % 2 == 1).then(|| per(reference(times.1), times.1));
        let subject = per(subject(times.0), times.0);
        (
            subject,
            first.unwrap_or_else(|| per(reference(times.1), times.1)),
        )
    };
    // The first round warms up.
    each(0);
    (0..rounds).map(each).collect()
}

fn per(took: Duration, times: u32) -> f64 {
    took.as_secs_f64() * 1e9 / f64::from(times)
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted = |value: fn(&(f64, f64)) -> f64| {
            let mut values: Vec<f64> = self.rounds.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (subject, reference) = (sorted(|round| round.0), sorted(|round| round.1));
        let ratios = sorted(|round| round.0 / round.1);
        let tenth = ratios.len() / 10;
        let target = self
            .target
            .map_or_else(|| "-".to_owned(), |target| target.to_string());
        write!(
            f,
            "{}\t{}\t{}\t{}\t{}\t{}\t{target}",
            self.what,
            self.against,
            subject[subject.len() / 2],
            reference[reference.len() / 2],
            ratios[tenth],
            ratios[ratios.len() - 1 - tenth],
        )
    }
}
