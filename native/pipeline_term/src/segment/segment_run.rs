#![allow(clippy::inline_always, reason = "a run is built in place, not copied")]

use super::{CircuitTransition, FailureTerm, Segment, SegmentEnd, SegmentStep, SkippedHook};
use crate::circuit::{EncodedTransition, SegmentCircuit};
use crate::context::{TermContext, WorkMeter};
use crate::failure::Failure;
use crate::family::Terms;
use crate::hook::{Flow, Phase};
use crate::schedule::{Watch, now};
use crate::vm::RawTerm;
use pipeline_core::breaker::{Admission, Breaker, Permit, Transition};
use pipeline_core::hook::ContextFamily;
use pipeline_core::hook::verdict::{Returned, Verdict, is_skipped};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A segment on its way: what has been written, and which hook is next.
pub(super) struct SegmentRun<'s, 'a> {
    segment: &'s Segment,
    context: TermContext<'a>,
    next: usize,
    skipped: Vec<SkippedHook<'a>>,
    /// The permit of the hook that is called, if it has a circuit.
    permit: Option<Permit>,
    moved: Vec<CircuitTransition>,
}

/// The result of a call that is not plain.
#[repr(u8)]
enum Called {
    /// Its return value.
    Gave(Result<Flow, Failure>),
    /// The hook is left out.
    Skipped,
    /// The hook may not be called, and not be left out.
    Refused,
    /// The hook takes long, and is not called on a normal scheduler.
    Long,
}

/// Why a run stopped.
#[repr(u8)]
pub(super) enum Stop<'a> {
    /// It is at its end.
    End(SegmentEnd<'a>),
    /// It has exceeded its budget or is about to, and hooks are left.
    Overrun,
}

impl<'s, 'a> SegmentRun<'s, 'a> {
    /// A run of `segment` over `context`, from the hook at `next` on.
    #[inline(always)]
    pub(super) fn new(segment: &'s Segment, context: TermContext<'a>, next: usize) -> Self {
        Self {
            segment,
            context,
            next,
            skipped: Vec::new(),
            permit: None,
            moved: Vec::new(),
        }
    }

    /// Calls the hooks that are left, until the end or until `watch` stops it.
    #[inline]
    pub(super) fn go_on(&mut self, watch: &mut Watch<'_>) -> Stop<'a> {
        loop {
            // One for all hooks: `next` tells whose panic it was. A half-made change of the context is either
            // rolled back or never handed out; a hook's own state behind `&self` is guarded by what it is
            // made of.
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
    pub(super) fn finish(&mut self, watch: &mut Watch<'_>) -> SegmentEnd<'a> {
        loop {
            if let Stop::End(end) = self.go_on(watch) {
                return end;
            }
        }
    }

    fn call_hooks(&mut self, watch: &mut Watch<'_>) -> Stop<'a> {
        let phase = self.segment.phase();
        while let Some(step) = self.segment.steps().get(self.next) {
            let result = if step.is_plain() {
                step.hook.call(phase, &mut self.context)
            } else {
                match self.call_watched(step, phase, watch.may_move()) {
                    Called::Gave(result) => result,
                    Called::Long => return Stop::Overrun,
                    Called::Skipped => {
                        self.next += 1;
                        continue;
                    }
                    Called::Refused => return Stop::End(SegmentEnd::NotCalled(self.next)),
                }
            };
            let overrun = self.is_overrun(watch);
            match result.map(|flow| Returned::from(flow).verdict(phase.kind())) {
                Ok(Verdict::Next) => self.next += 1,
                Ok(Verdict::Result) => break,
                Ok(Verdict::Answer) => {
                    return Stop::End(SegmentEnd::Answer(self.next, self.written()));
                }
                Ok(Verdict::Decline) => {
                    return Stop::End(SegmentEnd::Declined(self.written()));
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
        Stop::End(SegmentEnd::Done(self.written()))
    }

    /// Calls a hook that may be skipped, has a circuit, or may take long, if that lets it.
    #[inline(never)]
    fn call_watched(&mut self, step: &SegmentStep, phase: Phase, may_move: bool) -> Called {
        if may_move && step.is_long(&self.context) {
            return Called::Long;
        }
        let skip = is_skipped(step.on_error);
        let breaker = step.circuit.as_ref().map(SegmentCircuit::breaker);
        let mut on_trial = false;
        if let Some(breaker) = breaker {
            self.permit = match breaker.admit(now) {
                Admission::Admitted(permit) => Some(permit),
                Admission::Trial(permit, moved) => {
                    self.moves(breaker, moved);
                    on_trial = true;
                    Some(permit)
                }
                Admission::Refused if skip => {
                    let index = self.next;
                    self.skipped.push(SkippedHook { index, fault: None });
                    return Called::Skipped;
                }
                Admission::Refused => return Called::Refused,
            };
        }
        if skip {
            self.context.checkpoint();
        }
        let result = step.hook.call(phase, &mut self.context);
        if result.is_ok() {
            if skip {
                self.context.commit();
            }
            if let (Some(breaker), Some(permit)) = (breaker, self.permit.take())
                && on_trial
            {
                self.moves(breaker, breaker.passed(permit));
            }
        }
        Called::Gave(result)
    }

    fn moves(&mut self, breaker: &Breaker, moved: Option<Transition>) {
        let index = self.next;
        self.moved.extend(moved.map(|transition| CircuitTransition {
            index,
            change: EncodedTransition(transition),
            opened: breaker.opened(),
        }));
    }

    /// Whether the hook that was called took the run over its budget, if it is time to look.
    #[inline]
    fn is_overrun(&self, watch: &mut Watch<'_>) -> bool {
        let work = self.context.work();
        work.add(WorkMeter::HOOK);
        work.is_due() && watch.look(work, self.next)
    }

    /// Handles a failure of the next hook: returns the end, or `None` if the hook is skipped.
    #[cold]
    fn failed(&mut self, failure: Failure) -> Option<SegmentEnd<'a>> {
        let index = self.next;
        let step = &self.segment.steps()[index];
        if let (Some(circuit), Some(permit)) = (&step.circuit, self.permit.take()) {
            let breaker = circuit.breaker();
            let moved = if Terms::is_refusal(&failure) {
                breaker.passed(permit)
            } else {
                breaker.failed(permit, now())
            };
            self.moves(breaker, moved);
        }
        let fault = FailureTerm::of(failure, self.context.env());
        if !is_skipped(step.on_error) {
            return Some(SegmentEnd::Fault(index, Box::new(fault)));
        }
        self.context.rollback();
        let fault = Some(fault);
        self.skipped.push(SkippedHook { index, fault });
        self.next += 1;
        None
    }

    /// The context with what has been written.
    #[inline]
    pub(super) fn written(&self) -> RawTerm<'a> {
        self.context.written()
    }

    pub(super) fn work(&self) -> &WorkMeter {
        self.context.work()
    }

    /// The place of the next hook.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// The hooks that were skipped.
    pub(super) fn skipped(&self) -> &[SkippedHook<'a>] {
        &self.skipped
    }

    /// The circuits that changed.
    pub(super) fn moved(&self) -> &[CircuitTransition] {
        &self.moved
    }
}
