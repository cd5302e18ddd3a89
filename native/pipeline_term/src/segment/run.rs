#![allow(clippy::inline_always, reason = "a run is built in place, not copied")]

use super::{End, Fault, OnError, Segment, Skip};
use crate::context::{TermContext, Work};
use crate::failure::Failure;
use crate::hook::{Flow, Phase};
use crate::schedule::Watch;
use crate::vm::Bare;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A segment on its way: what has been written, and which hook is next.
pub(super) struct Run<'s, 'a> {
    segment: &'s Segment,
    context: TermContext<'a>,
    next: usize,
    skipped: Vec<Skip<'a>>,
}

/// Why a run stopped.
#[repr(u8)]
pub(super) enum Stop<'a> {
    /// It is at its end.
    End(End<'a>),
    /// It has exceeded its budget, and hooks are left.
    Overrun,
}

impl<'s, 'a> Run<'s, 'a> {
    /// A run of `segment` over `context`, from the hook at `next` on.
    #[inline(always)]
    pub(super) fn new(segment: &'s Segment, context: TermContext<'a>, next: usize) -> Self {
        Self {
            segment,
            context,
            next,
            skipped: Vec::new(),
        }
    }

    /// Calls the hooks that are left, until the end or until `watch` stops it.
    #[inline]
    pub(super) fn go_on(&mut self, watch: &mut Watch<'_>) -> Stop<'a> {
        loop {
            // One for all hooks: `next` tells whose panic it was. A half-made change of the context is either rolled
            // back or never handed out; a hook's own state behind `&self` is guarded by what it is made of.
            let stopped = match catch_unwind(AssertUnwindSafe(|| self.call_hooks(watch))) {
                Ok(stop) => Some(stop),
                Err(payload) => {
                    // One more hook may run here if this one was too long.
                    self.is_overrun(watch);
                    self.failed(Failure::from_panic(&*payload)).map(Stop::End)
                }
            };
            if let Some(stop) = stopped {
                return stop;
            }
        }
    }

    /// Calls the hooks that are left, to the end.
    pub(super) fn finish(&mut self, watch: &mut Watch<'_>) -> End<'a> {
        loop {
            if let Stop::End(end) = self.go_on(watch) {
                return end;
            }
        }
    }

    fn call_hooks(&mut self, watch: &mut Watch<'_>) -> Stop<'a> {
        let phase = self.segment.phase();
        while let Some(step) = self.segment.steps().get(self.next) {
            let skip = step.on_error == OnError::Skip;
            if skip {
                self.context.checkpoint();
            }
            let result = step.hook.call(phase, &mut self.context);
            let overrun = self.is_overrun(watch);
            match result {
                Ok(Flow::Answer) if phase == Phase::Before => {
                    return Stop::End(End::Answer(self.next, self.written()));
                }
                Ok(Flow::Answer) if phase == Phase::Replace => break,
                Ok(Flow::Decline) if phase == Phase::Replace => {
                    return Stop::End(End::Declined(self.written()));
                }
                Ok(_) => {
                    if skip {
                        self.context.commit();
                    }
                    self.next += 1;
                }
                Err(failure) => {
                    if let Some(end) = self.failed(failure) {
                        return Stop::End(end);
                    }
                }
            }
            if overrun && self.next < self.segment.steps().len() {
                return Stop::Overrun;
            }
        }
        Stop::End(End::Done(self.written()))
    }

    /// Whether the hook that was called took the run over its budget, if it is time to look.
    #[inline]
    fn is_overrun(&self, watch: &mut Watch<'_>) -> bool {
        let work = self.context.work();
        work.add(Work::HOOK);
        work.is_due() && watch.look(work, self.next)
    }

    /// What the failure of the hook that is next does: the end, or nothing, if it is skipped.
    #[cold]
    fn failed(&mut self, failure: Failure) -> Option<End<'a>> {
        let index = self.next;
        let fault = Fault::of(failure, self.context.env());
        if self.segment.steps()[index].on_error != OnError::Skip {
            return Some(End::Fault(index, Box::new(fault)));
        }
        self.context.rollback();
        self.skipped.push(Skip { index, fault });
        self.next += 1;
        None
    }

    /// The context with what has been written.
    #[inline]
    pub(super) fn written(&self) -> Bare<'a> {
        self.context.written()
    }

    pub(super) fn work(&self) -> &Work {
        self.context.work()
    }

    /// The place of the next hook.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// The hooks that failed and were skipped.
    pub(super) fn skipped(&self) -> &[Skip<'a>] {
        &self.skipped
    }
}
