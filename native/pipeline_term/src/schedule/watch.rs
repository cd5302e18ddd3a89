use super::{Budget, now};
use crate::context::WorkMeter;
use crate::measure::HookMeasures;

/// Follows the time of one run.
pub(crate) struct Watch<'s> {
    /// Where the times of hooks are recorded, in a run that is sampled.
    hooks: Option<&'s [HookMeasures]>,
    /// When the hook that runs began.
    lap: u64,
    /// The time that the run may take before it moves.
    budget: Budget,
    /// The time that it took before it moved, in nanoseconds.
    before: u64,
}

impl<'s> Watch<'s> {
    /// Of a run that has taken `before` elsewhere. With `hooks` to record the times of, `work` is timed.
    #[inline]
    pub(crate) fn new(
        work: &WorkMeter,
        hooks: Option<&'s [HookMeasures]>,
        budget: Budget,
        before: u64,
    ) -> Self {
        Self {
            hooks,
            lap: work.started().unwrap_or(0),
            budget,
            before,
        }
    }

    /// Reads the clock after the hook at `index`; `true` if the run has to move before the next.
    #[cold]
    pub(crate) fn look(&mut self, work: &WorkMeter, index: usize) -> bool {
        work.looked();
        let now = now();
        if let Some(hooks) = self.hooks {
            hooks[index].times.record(now - self.lap);
            self.lap = now;
        }
        work.started()
            .is_some_and(|started| self.budget.is_exceeded_by(now - started))
    }

    /// Whether the run is on a scheduler that it may leave.
    pub(crate) fn may_move(&self) -> bool {
        self.budget != Budget::INFINITE
    }

    /// The time that the run has taken so far, in nanoseconds, as far as it is known.
    #[inline]
    pub(crate) fn elapsed(&self, work: &WorkMeter) -> Option<u64> {
        work.started()
            .map(|started| self.before + (now() - started))
    }
}
