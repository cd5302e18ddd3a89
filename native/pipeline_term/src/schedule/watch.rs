use super::Budget;
use crate::context::Work;
use crate::measure::HookMeasures;
use std::time::{Duration, Instant};

/// Follows the time of one run.
pub(crate) struct Watch<'s> {
    /// Where the times of hooks are recorded, in a run that is sampled.
    hooks: Option<&'s [HookMeasures]>,
    /// When the hook that runs began.
    lap: Option<Instant>,
    /// What the run may take before it moves; `None` if it may take what it takes.
    budget: Option<Budget>,
    /// What it took before it moved, in nanoseconds.
    before: u64,
}

impl<'s> Watch<'s> {
    /// Of a run that began at `started` if it is timed, and moves when it exceeds the budget if there is one.
    #[inline]
    pub(crate) fn new(
        started: Option<Instant>,
        hooks: Option<&'s [HookMeasures]>,
        budget: Option<Budget>,
        before: u64,
    ) -> Self {
        Self {
            hooks,
            lap: started,
            budget,
            before,
        }
    }

    /// Of a run whose time nobody wants to know.
    pub(crate) fn off() -> Self {
        Self::new(None, None, None, 0)
    }

    /// Reads the clock after the hook at `index`; `true` if the run has to move before the next.
    #[cold]
    pub(crate) fn look(&mut self, work: &Work, index: usize) -> bool {
        work.looked();
        let now = Instant::now();
        if let (Some(hooks), Some(lap)) = (self.hooks, self.lap) {
            hooks[index].times.record(nanos(now - lap));
            self.lap = Some(now);
        }
        match (self.budget, work.started()) {
            (Some(budget), Some(started)) => budget.is_exceeded_by(nanos(now - started)),
            _ => false,
        }
    }

    /// What the run has taken so far, in nanoseconds, as far as that is known.
    #[inline]
    pub(crate) fn elapsed(&self, work: &Work) -> Option<u64> {
        work.started()
            .map(|started| self.before + nanos(started.elapsed()))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
