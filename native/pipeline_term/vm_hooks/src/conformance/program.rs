use pipeline_core::hook::{Cause, ContextFamily, Flow, HookError, Next, RunFailure, WrapError};
use pipeline_term::Data;

use super::called::Calls;
use super::instruction::{Instruction, panic_quietly};
use super::program_error::ProgramError;
use super::trail;

/// Contexts that are plain data, which belong to no VM.
pub(super) enum Plain {}

impl ContextFamily for Plain {
    type Context<'a> = Data;
    type Error = ProgramError;
}

/// The steps of a hook or the base operation in the core alone.
pub(super) struct Program {
    /// `None` for the base operation.
    pub(super) name: Option<Data>,
    pub(super) steps: Vec<Instruction>,
    /// The field that marks are put into.
    pub(super) trail: Data,
    pub(super) calls: Calls,
}

impl Program {
    /// Whether it goes on at its end or not at all, as hooks do that have no `next`.
    pub(super) fn is_flat(&self) -> bool {
        let inside = self.steps.iter().rev().skip(1).any(Instruction::goes_on);
        !inside
            && !matches!(
                self.steps.last(),
                Some(Instruction::Retry(_) | Instruction::Catch)
            )
    }

    /// Takes the steps of a hook without `next`, or of the base operation.
    pub(super) fn run(&self, context: &mut Data) -> Result<Flow, ProgramError> {
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
    ) -> Result<(), WrapError<ProgramError>> {
        self.calls.add(self.name.as_ref());
        for step in &self.steps {
            match step {
                Instruction::Next => next.call(context)?,
                Instruction::Retry(times) => {
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
                Instruction::Catch => {
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

    fn take(&self, step: &Instruction, context: &mut Data) -> Result<(), ProgramError> {
        match step {
            Instruction::Mark(mark) => trail::mark(context, &self.trail, mark),
            Instruction::Add(field, number) => trail::add(context, field, *number),
            Instruction::Give(value) => {
                *context = value.clone();
                Ok(())
            }
            Instruction::Fail(message) => Err(ProgramError::Failed(message.clone())),
            Instruction::Panic(message) => panic_quietly(message),
            Instruction::Refuse(reason) => Err(ProgramError::Refused(reason.clone())),
            Instruction::First(left, _) if Instruction::used_up(left) => Ok(()),
            Instruction::First(_, step) => self.take(step, context),
            Instruction::Next | Instruction::Retry(_) | Instruction::Catch => Ok(()),
        }
    }
}

/// A failure as the mark that is made of it.
fn caught(failure: &RunFailure<ProgramError>) -> Data {
    match failure {
        RunFailure::Hook(HookError { cause, .. }) => match cause {
            Cause::Failed(ended) => described(ended),
            Cause::Panicked(message) => Data::from(panicked(message)),
            other => Data::from(other.to_string()),
        },
        RunFailure::Core(ended) => described(ended),
        RunFailure::CorePanicked(payload) => Data::from(panicked(
            payload.downcast_ref::<String>().map_or("", String::as_str),
        )),
    }
}

/// The message of a failure, or the reason of a refusal.
fn described(ended: &ProgramError) -> Data {
    match ended {
        ProgramError::Refused(reason) => reason.clone(),
        other => Data::from(other.to_string()),
    }
}

/// A panic as every tier calls it.
pub(super) fn panicked(message: &str) -> String {
    format!("panicked: {message}")
}
