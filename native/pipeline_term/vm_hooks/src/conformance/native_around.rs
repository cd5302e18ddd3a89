use std::time::Duration;

use pipeline_term::serde::Deserialize;
use pipeline_term::{
    ConfigError, Data, Ended, Enter, Failure, FailureKind, InnerFailure, Leave, NativeAround, Path,
    TermContext, register_arounds,
};

use super::called::call_from;
use super::instruction::Instruction;
use super::native::take;

/// Takes the steps of a conformance case that go on once, on the way in and on the way out.
struct ConformanceAround {
    way_in: Vec<Instruction>,
    inside: Option<Instruction>,
    way_out: Vec<Instruction>,
    trail: Path,
    called: Option<Data>,
}

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct ConformanceAroundConfig {
    steps: Vec<Instruction>,
    /// The field that marks are put into.
    trail: Path,
    /// The name to tell the calling process when the hook is called.
    called: Option<Data>,
}

/// How often it may still go in again.
struct Left(u32);

impl NativeAround for ConformanceAround {
    const NAME: &'static str = "conformance_around";
    const DOC: &'static str = "Takes the steps of a conformance case around others.";
    type Config = ConformanceAroundConfig;
    type State = Left;

    fn configure(config: ConformanceAroundConfig) -> Result<Self, ConfigError> {
        let mut steps = config.steps.into_iter();
        let mut way_in = Vec::new();
        let mut inside = None;
        for step in steps.by_ref() {
            if step.goes_on() {
                inside = Some(step);
                break;
            }
            way_in.push(step);
        }
        let way_out: Vec<Instruction> = steps.collect();
        if way_out.iter().any(Instruction::goes_on) {
            return Err(ConfigError::at("steps", GoesOnTwice));
        }
        Ok(Self {
            way_in,
            inside,
            way_out,
            trail: config.trail,
            called: config.called,
        })
    }

    fn enter<'a>(&self, context: &mut TermContext<'a>) -> Result<Enter<'a, Left>, Failure> {
        if let Some(name) = &self.called {
            call_from(context.env(), name)?;
        }
        for step in &self.way_in {
            take(step, &self.trail, context)?;
        }
        Ok(match self.inside {
            None => Enter::Answer,
            Some(Instruction::Retry(times)) => Enter::Inside(Left(times)),
            Some(_) => Enter::Inside(Left(0)),
        })
    }

    fn leave<'a>(
        &self,
        state: &mut Left,
        ended: Ended<'a>,
        context: &mut TermContext<'a>,
    ) -> Result<Leave<'a>, Failure> {
        let env = context.env();
        let mut result = match (ended, &self.inside) {
            (Ended::Value(_), _) if self.way_out.is_empty() => return Ok(Leave::Pass),
            (Ended::Value(value), _) => TermContext::new(env, value),
            (Ended::Failed(failure), Some(Instruction::Catch)) => {
                let given = std::mem::replace(context, TermContext::new(env, failure.reason()));
                let mut given = TermContext::new(env, given.finish());
                take(
                    &Instruction::Mark(caught(failure)?),
                    &self.trail,
                    &mut given,
                )?;
                given
            }
            (Ended::Failed(_), _) if state.0 > 0 => {
                state.0 -= 1;
                let after = Duration::ZERO;
                return Ok(Leave::Again { after });
            }
            (Ended::Failed(_), _) => return Ok(Leave::Pass),
        };
        for step in &self.way_out {
            take(step, &self.trail, &mut result)?;
        }
        Ok(Leave::Value(result.finish()))
    }
}

/// A failure as the mark that is made of it: its message, or what it refused with.
fn caught(failure: InnerFailure<'_>) -> Result<Data, Failure> {
    if let Some(message) = failure.message() {
        return Ok(Data::from(message));
    }
    let reason = Data::from_term(failure.reason()).map_err(Failure::of)?;
    Ok(match (failure.kind(), reason) {
        (FailureKind::Refused, Data::Tuple(parts)) if parts.len() == 2 => {
            parts.into_iter().nth(1).unwrap_or(Data::Nil)
        }
        (_, reason) => reason,
    })
}

/// Steps that a native around cannot take.
#[derive(Debug, thiserror::Error)]
#[error("a native around goes on in one step")]
struct GoesOnTwice;

register_arounds!(ConformanceAround);
