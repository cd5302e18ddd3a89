use pipeline_core::hook::{Cause, ContextFamily, Failure, Flow, HookError, Next, WrapError};
use pipeline_term::Data;

use super::called::Calls;
use super::ended::Ended;
use super::step::{Step, panic_quietly};
use super::trail;

/// Contexts that are plain data, which belong to no VM.
pub(super) enum Plain {}

impl ContextFamily for Plain {
    type Context<'a> = Data;
    type Error = Ended;
}

/// What a hook or the base operation does in the core alone.
pub(super) struct Program {
    /// `None` for the base operation.
    pub(super) name: Option<Data>,
    pub(super) steps: Vec<Step>,
    /// The field that marks are put into.
    pub(super) trail: Data,
    pub(super) calls: Calls,
}

impl Program {
    /// Whether it goes on at its end or not at all, as hooks do that have no `next`.
    pub(super) fn is_flat(&self) -> bool {
        let inside = self.steps.iter().rev().skip(1).any(Step::goes_on);
        !inside && !matches!(self.steps.last(), Some(Step::Retry(_) | Step::Catch))
    }

    /// Takes the steps of a hook without `next`, or of the base operation.
    pub(super) fn run(&self, context: &mut Data) -> Result<Flow, Ended> {
        self.calls.add(self.name.as_ref());
        for step in &self.steps {
            if step.goes_on() {
                return Ok(Flow::Continue);
            }
            self.take(step, context)?;
        }
        Ok(Flow::Answer)
    }

    /// Takes the steps of a hook that wraps what is inside.
    pub(super) fn wrap(
        &self,
        context: &mut Data,
        next: &mut Next<'_, '_, Plain>,
    ) -> Result<(), WrapError<Ended>> {
        self.calls.add(self.name.as_ref());
        for step in &self.steps {
            match step {
                Step::Next => next.call(context)?,
                Step::Retry(times) => {
                    let given = context.clone();
                    let mut left = *times;
                    while let Err(inner) = next.call(context) {
                        if left == 0 {
                            return Err(inner.into());
                        }
                        left -= 1;
                        context.clone_from(&given);
                    }
                }
                Step::Catch => {
                    let given = context.clone();
                    if next.call(context).is_err() {
                        *context = given;
                        let caught = next.failure().map_or(Data::Nil, caught);
                        trail::mark(context, &self.trail, &caught)?;
                    }
                }
                other => self.take(other, context)?,
            }
        }
        Ok(())
    }

    fn take(&self, step: &Step, context: &mut Data) -> Result<(), Ended> {
        match step {
            Step::Mark(mark) => trail::mark(context, &self.trail, mark),
            Step::Add(field, number) => trail::add(context, field, *number),
            Step::Give(value) => {
                *context = value.clone();
                Ok(())
            }
            Step::Fail(message) => Err(Ended::Failed(message.clone())),
            Step::Panic(message) => panic_quietly(message),
            Step::Refuse(reason) => Err(Ended::Refused(reason.clone())),
            Step::First(left, _) if Step::used_up(left) => Ok(()),
            Step::First(_, step) => self.take(step, context),
            Step::Next | Step::Retry(_) | Step::Catch => Ok(()),
        }
    }
}

/// A failure as the mark that is made of it.
fn caught(failure: &Failure<Ended>) -> Data {
    match failure {
        Failure::Hook(HookError { cause, .. }) => match cause {
            Cause::Failed(ended) => described(ended),
            Cause::Panicked(message) => Data::from(panicked(message)),
            other => Data::from(other.to_string()),
        },
        Failure::Core(ended) => described(ended),
        Failure::CorePanicked(payload) => Data::from(panicked(
            payload.downcast_ref::<String>().map_or("", String::as_str),
        )),
    }
}

/// The message of a failure, or the reason of a refusal.
fn described(ended: &Ended) -> Data {
    match ended {
        Ended::Refused(reason) => reason.clone(),
        other => Data::from(other.to_string()),
    }
}

/// A panic as every tier calls it.
pub(super) fn panicked(message: &str) -> String {
    format!("panicked: {message}")
}
