use std::sync::atomic::{AtomicU32, Ordering};

use pipeline_term::Data;
use pipeline_term::serde::Deserialize;
use thiserror::Error;

/// A step of what a hook does, written as in `Pipeline.Conformance.Program`.
#[derive(Debug, Deserialize)]
#[serde(crate = "pipeline_term::serde", try_from = "Data")]
pub(super) enum Instruction {
    /// Puts a mark at the end of the trail.
    Mark(Data),
    /// Adds to a number, which is 0 where there is none.
    Add(Data, i64),
    /// Goes on with another value.
    Give(Data),
    /// Fails with this message.
    Fail(String),
    /// Panics with this message.
    Panic(String),
    /// Refuses, for this reason.
    Refuse(Data),
    /// Takes another step, the first few times only.
    First(AtomicU32, Box<Instruction>),
    /// Goes on to what is inside.
    Next,
    /// Goes on to what is inside, and again that many times as long as it fails.
    Retry(u32),
    /// Goes on to what is inside, and marks the trail with its failure.
    Catch,
}

/// Data that is no step.
#[derive(Debug, Error)]
#[error("{0:?} is no step that exists in Rust; see Pipeline.Conformance.Program")]
pub(super) struct NoStep(Data);

impl TryFrom<Data> for Instruction {
    type Error = NoStep;

    fn try_from(data: Data) -> Result<Self, NoStep> {
        let refused = || NoStep(data.clone());
        if let Some("next" | "catch") = data.name() {
            return Ok(if data.name() == Some("next") {
                Self::Next
            } else {
                Self::Catch
            });
        }
        let Data::Tuple(parts) = &data else {
            return Err(refused());
        };
        let (name, arguments) = parts.split_first().ok_or_else(refused)?;
        match (name.name(), arguments) {
            (Some("mark"), [mark]) => Ok(Self::Mark(mark.clone())),
            (Some("add"), [field, Data::Int(number)]) => Ok(Self::Add(field.clone(), *number)),
            (Some("give"), [value]) => Ok(Self::Give(value.clone())),
            (Some("fail"), [Data::Text(message)]) => Ok(Self::Fail(message.clone())),
            (Some("panic"), [Data::Text(message)]) => Ok(Self::Panic(message.clone())),
            (Some("refuse"), [reason]) => Ok(Self::Refuse(reason.clone())),
            (Some("retry"), [Data::Int(times)]) => u32::try_from(*times)
                .map(Self::Retry)
                .map_err(|_| refused()),
            (Some("first"), [Data::Int(times), step]) => {
                let times = u32::try_from(*times).map_err(|_| refused())?;
                let step = Self::try_from(step.clone())?;
                Ok(Self::First(AtomicU32::new(times), Box::new(step)))
            }
            _ => Err(refused()),
        }
    }
}

impl Instruction {
    /// Whether it needs something inside to go on to.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Self::Next | Self::Retry(_) | Self::Catch)
    }

    /// Whether one is left, which is then used up.
    pub(super) fn used_up(left: &AtomicU32) -> bool {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
        .is_err()
    }
}

/// Panics without a word on the standard error, which a panic on purpose is not worth.
pub(super) fn panic_quietly(message: &str) -> ! {
    std::panic::resume_unwind(Box::new(message.to_owned()))
}
