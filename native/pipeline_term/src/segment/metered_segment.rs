use super::outcome;
use super::segment_run::{SegmentRun, Stop};
use super::{RunEvents, Segment, SegmentEnd};
use crate::context::{TermContext, WorkMeter};
use crate::measure::{SegmentMeasures, is_sampled};
use crate::schedule::{Average, Budget, Reading, Watch, now, report_timeslice};
use crate::vm::RawTerm;
use rustler::{Encoder, Env, Term};

/// A segment with what decides where it runs and what is known of its runs.
pub(crate) struct MeteredSegment {
    segment: Segment,
    budget: Budget,
    average: Average,
    measures: SegmentMeasures,
}

/// How a call to run a segment went.
#[repr(u8)]
pub(super) enum Started<'a> {
    /// To its end; what the caller gets.
    Through(RawTerm<'a>),
    /// Up to here; it has to go on on a dirty scheduler.
    UpTo(Box<SuspendedRun<'a>>),
}

/// Where a run stands between two schedulers.
pub(super) struct SuspendedRun<'a> {
    /// The context with what has been written.
    pub(super) context: RawTerm<'a>,
    /// The hook that is next.
    pub(super) next: usize,
    /// The events so far.
    pub(super) events: RunEvents<'a>,
    /// The time that the run has taken, in nanoseconds.
    pub(super) elapsed: u64,
    /// Whether the times of its hooks are recorded.
    pub(super) sampled: bool,
}

impl MeteredSegment {
    pub(super) fn new(segment: Segment, budget: Budget) -> Self {
        Self {
            budget,
            average: Average::new(),
            measures: SegmentMeasures::new(segment.steps().len()),
            segment,
        }
    }

    /// Starts a run on the normal scheduler that calls this.
    #[inline]
    pub(super) fn start<'a>(&self, env: Env<'a>, context: Term<'a>) -> Started<'a> {
        let average = self.average.read();
        if average.is_slow() {
            return Started::UpTo(Box::new(self.start_on_dirty(env, context)));
        }
        let sampled = is_sampled(self.measures.starts_normal());
        let hooks = self.segment.steps().len();
        let timed = sampled || self.budget.is_near(average.nanos(), hooks);
        let work = if timed {
            WorkMeter::timed(now())
        } else {
            WorkMeter::counted()
        };
        let hooks = sampled.then_some(&*self.measures.hooks);
        let mut watch = Watch::new(&work, hooks, self.budget, 0);
        let mut run = SegmentRun::new(&self.segment, TermContext::with_work(env, context, work), 0);
        match run.go_on(&mut watch) {
            Stop::End(end) => {
                let returned = self.returned(env, &run, RunEvents::default(), &end);
                if let Some(elapsed) = watch.elapsed(run.work()) {
                    self.took(elapsed, sampled, timed);
                    if self.budget != Budget::INFINITE {
                        report_timeslice(env, elapsed);
                    }
                }
                Started::Through(returned)
            }
            Stop::Overrun => {
                let elapsed = watch.elapsed(run.work()).unwrap_or(0);
                Started::UpTo(Box::new(self.leave(env, &run, elapsed, sampled)))
            }
        }
    }

    /// A run that starts on a dirty scheduler.
    #[cold]
    pub(super) fn start_on_dirty<'a>(&self, env: Env<'a>, context: Term<'a>) -> SuspendedRun<'a> {
        SuspendedRun {
            context: RawTerm::of(context, env),
            next: 0,
            events: RunEvents::default(),
            elapsed: 0,
            sampled: is_sampled(self.measures.starts_dirty()),
        }
    }

    /// Takes a run off the normal scheduler.
    #[cold]
    fn leave<'a>(
        &self,
        env: Env<'a>,
        run: &SegmentRun<'_, 'a>,
        elapsed: u64,
        sampled: bool,
    ) -> SuspendedRun<'a> {
        self.measures.moves();
        report_timeslice(env, elapsed);
        SuspendedRun {
            context: run.written(),
            next: run.next(),
            events: {
                let mut events = RunEvents::default();
                self.happened(env, run, &mut events);
                events
            },
            elapsed,
            sampled,
        }
    }

    /// Goes on with a run on the dirty scheduler that calls this, to its end.
    pub(super) fn resume<'a>(&self, env: Env<'a>, suspended: SuspendedRun<'a>) -> RawTerm<'a> {
        let work = WorkMeter::timed(now());
        let hooks = suspended.sampled.then_some(&*self.measures.hooks);
        let mut watch = Watch::new(&work, hooks, Budget::INFINITE, suspended.elapsed);
        let context = TermContext::with_work(env, suspended.context.within(env), work);
        let mut run = SegmentRun::new(&self.segment, context, suspended.next);
        let end = run.finish(&mut watch);
        let returned = self.returned(env, &run, suspended.events, &end);
        if let Some(elapsed) = watch.elapsed(run.work()) {
            self.took(elapsed, suspended.sampled, true);
        }
        returned
    }

    /// Counts how a run ended, and makes what the caller gets of it.
    fn returned<'a>(
        &self,
        env: Env<'a>,
        run: &SegmentRun<'_, 'a>,
        mut events: RunEvents<'a>,
        end: &SegmentEnd<'a>,
    ) -> RawTerm<'a> {
        match end {
            SegmentEnd::Done(_) | SegmentEnd::Declined(_) => {}
            SegmentEnd::Answer(index, _) => self.measures.hooks[*index].answered(),
            SegmentEnd::Fault(index, _) => self.measures.hooks[*index].failed(),
            SegmentEnd::NotCalled(index) => self.measures.hooks[*index].not_called(),
        }
        if !(run.skipped().is_empty() && run.moved().is_empty()) {
            self.happened(env, run, &mut events);
        }
        RawTerm::of(outcome::returned(env, &events, end), env)
    }

    /// Counts the hooks that were skipped, and makes what the caller gets of them and of circuits that
    /// changed.
    #[inline]
    fn happened<'a>(&self, env: Env<'a>, run: &SegmentRun<'_, 'a>, events: &mut RunEvents<'a>) {
        for skip in run.skipped() {
            if skip.fault.is_some() {
                self.measures.hooks[skip.index].skipped();
            }
            events.skipped.push(skip.encode(env));
        }
        let moved = run.moved().iter();
        events.moved.extend(moved.map(|moved| moved.encode(env)));
    }

    /// Counts in what a run took: in the average if it was `timed` from its beginning on, and in any case if
    /// that was too long.
    #[cold]
    fn took(&self, elapsed: u64, sampled: bool, timed: bool) {
        if sampled {
            self.measures.times.record(elapsed);
        }
        if timed || self.budget.is_exceeded_by(elapsed) {
            self.average.add(elapsed, self.budget);
        }
    }

    pub(super) fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(super) fn budget(&self) -> Budget {
        self.budget
    }

    pub(super) fn average(&self) -> Reading {
        self.average.read()
    }

    pub(super) fn measures(&self) -> &SegmentMeasures {
        &self.measures
    }
}
