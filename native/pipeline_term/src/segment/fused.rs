use super::{End, Fault, Outcome, Skip};
use crate::context::TermContext;
use crate::hook::{Cost, Flow, Hook, Phase};
use rustler::{Env, Term};
use thiserror::Error;

/// What becomes of a run whose hook failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The run ends.
    Halt,
    /// The run goes on as if the hook were not there; its writes are undone and the failure is reported.
    Skip,
    /// The run ends; the caller raises. The same as `Halt` to a segment.
    Raise,
}

/// A hook in a segment.
#[derive(Clone, Debug)]
pub struct Step {
    /// The hook.
    pub hook: Hook,
    /// What becomes of a run in which it fails.
    pub on_error: OnError,
}

/// Hooks of one phase that run one after the other over one overlay.
#[derive(Clone, Debug)]
pub struct Segment {
    phase: Phase,
    steps: Box<[Step]>,
}

/// Why hooks do not form a segment.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SegmentError {
    /// A hook does not serve the segment's phase.
    #[error("native hook {name} (number {index} of the segment) does not serve {}; use one of its phases", phase.name())]
    WrongPhase {
        /// Its place, counted from 0.
        index: usize,
        /// Its name.
        name: &'static str,
        /// The segment's phase.
        phase: Phase,
    },
}

impl Segment {
    /// Hooks to be run in this order.
    ///
    /// # Errors
    /// If one does not serve `phase`.
    pub fn new(phase: Phase, steps: Vec<Step>) -> Result<Self, SegmentError> {
        match steps
            .iter()
            .enumerate()
            .find(|(_, step)| !step.hook.serves(phase))
        {
            Some((index, step)) => Err(SegmentError::WrongPhase {
                index,
                name: step.hook.registration().name,
                phase,
            }),
            None => Ok(Self {
                phase,
                steps: steps.into(),
            }),
        }
    }

    /// The phase its hooks run in.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Heavy if one of its hooks is.
    pub fn cost(&self) -> Cost {
        let heavy = self
            .steps
            .iter()
            .any(|step| step.hook.registration().cost == Cost::Heavy);
        if heavy { Cost::Heavy } else { Cost::Light }
    }

    /// Runs its hooks over `term`, and writes the map once at the end.
    pub fn run<'a>(&self, env: Env<'a>, term: Term<'a>) -> Outcome<'a> {
        let mut context = TermContext::new(env, term);
        let mut skipped = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let skip = step.on_error == OnError::Skip;
            if skip {
                context.checkpoint();
            }
            match step.hook.run(self.phase, &mut context) {
                Ok(Flow::Decline) if self.phase == Phase::Replace => {
                    return Outcome {
                        skipped,
                        end: End::Declined(context.finish()),
                    };
                }
                Ok(Flow::Continue | Flow::Decline) => {}
                Ok(Flow::Answer) => match self.phase {
                    Phase::Before => {
                        return Outcome {
                            skipped,
                            end: End::Answer(index, context.finish()),
                        };
                    }
                    Phase::Replace => break,
                    Phase::After => {}
                },
                Err(failure) if skip => {
                    context.rollback();
                    skipped.push(Skip {
                        index,
                        fault: Fault::of(failure, env),
                    });
                }
                Err(failure) => {
                    return Outcome {
                        skipped,
                        end: End::Fault(index, Fault::of(failure, env)),
                    };
                }
            }
            if skip {
                context.commit();
            }
        }
        Outcome {
            skipped,
            end: End::Done(context.finish()),
        }
    }
}
