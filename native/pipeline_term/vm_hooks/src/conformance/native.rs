use pipeline_term::serde::Deserialize;
use pipeline_term::{
    ConfigError, Data, Detail, Failure, Flow, NativeHook, Path, Phase, Reason, TermContext,
    register_hooks,
};

use super::called::call_from;
use super::instruction::{Instruction, panic_quietly};

/// Takes the steps of a conformance case on a context of the VM.
struct Conformance(ConformanceConfig);

#[derive(Deserialize)]
#[serde(crate = "pipeline_term::serde", deny_unknown_fields)]
struct ConformanceConfig {
    steps: Vec<Instruction>,
    /// The field that marks are put into.
    trail: Path,
    /// The name to tell the calling process when the hook is called.
    called: Option<Data>,
}

impl NativeHook for Conformance {
    const NAME: &'static str = "conformance";
    const DOC: &'static str = "Takes the steps of a conformance case.";
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After, Phase::Replace];
    type Config = ConformanceConfig;

    fn configure(config: ConformanceConfig) -> Result<Self, ConfigError> {
        let last = config.steps.len().saturating_sub(1);
        for (index, step) in config.steps.iter().enumerate() {
            let inside = step.goes_on() && !(index == last && matches!(step, Instruction::Next));
            if inside || matches!(step, Instruction::Give(_)) {
                return Err(ConfigError::at_index("steps", index, NotNative));
            }
        }
        Ok(Self(config))
    }

    fn run(&self, phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        if let Some(name) = &self.0.called {
            call_from(context.env(), name)?;
        }
        for step in &self.0.steps {
            if let Instruction::Next = step {
                let replaces = phase == Phase::Replace;
                return Ok(if replaces {
                    Flow::Decline
                } else {
                    Flow::Continue
                });
            }
            take(step, &self.0.trail, context)?;
        }
        Ok(Flow::Answer)
    }
}

/// Takes a step on a context of the VM.
pub(super) fn take(
    step: &Instruction,
    trail: &Path,
    context: &mut TermContext<'_>,
) -> Result<(), Failure> {
    match step {
        Instruction::Mark(mark) => {
            let mut marks = match context.get_data(trail)? {
                Some(Data::List(marks)) => marks,
                _ => Vec::new(),
            };
            marks.push(mark.clone());
            context.put(trail, &Data::List(marks))?;
            Ok(())
        }
        Instruction::Add(field, number) => {
            let field = Path::try_from(field.clone()).map_err(Failure::of)?;
            let sum = context.get_int(&field)?.unwrap_or(0).wrapping_add(*number);
            context.put(&field, sum)?;
            Ok(())
        }
        Instruction::Fail(message) => Err(Failure::of(message.as_str())),
        Instruction::Panic(message) => panic_quietly(message),
        Instruction::Refuse(reason) => Err(Reason::new("refused")
            .with(Detail::Data(reason.clone()))
            .into()),
        Instruction::First(left, _) if Instruction::used_up(left) => Ok(()),
        Instruction::First(_, step) => take(step, trail, context),
        Instruction::Give(_) | Instruction::Next | Instruction::Retry(_) | Instruction::Catch => {
            Err(Failure::of(NotNative))
        }
    }
}

/// A step that a native hook cannot take where it stands.
#[derive(Debug, thiserror::Error)]
#[error("a native hook goes on at its end or not at all, and hands no other value on")]
struct NotNative;

register_hooks!(Conformance);
