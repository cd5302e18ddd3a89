use crate::context::{Path, TermContext};
use crate::failure::Failure;
use crate::hook::{ConfigError, Description, Field, Flow, NativeHook, Phase};
use serde::Deserialize;
use thiserror::Error;

/// `increment`: adds to a counter.
struct Increment(IncrementConfig);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IncrementConfig {
    field: Path,
    #[serde(default = "one")]
    by: i64,
}

fn one() -> i64 {
    1
}

/// The sum has no place in 64 bits.
#[derive(Debug, Error)]
#[error("adding {by} to {field} exceeds 64 bits; reset it before it gets there")]
struct Overflow {
    field: Path,
    by: i64,
}

impl NativeHook for Increment {
    const NAME: &'static str = "increment";
    const DOC: &'static str = "Adds to a counter, which starts at 0.";
    const DESCRIPTION: Description = Description {
        purpose: "Adds to a counter, which starts at 0.",
        fields: &[
            Field::required(
                "field",
                "a key (an atom or a string), or a path: a list of up to 16 of them",
                "The counter.",
            ),
            Field::optional(
                "by",
                "integer of at most 64 bits",
                "1",
                "What is added; negative to count down.",
            ),
        ],
        returns: "The context with the sum in the field.",
        refuses: &[
            "Fails if the field holds anything but an integer of 64 bits, or the sum is none.",
        ],
        example:
            "iex> Pipeline.Hook.Manager.run_hook({:native, :increment, %{field: :attempts}}, %{})
{:ok, %{attempts: 1}}
iex> Pipeline.Hook.Manager.run_hook({:native, :increment, %{field: :credit, by: -5}}, %{credit: 20})
{:ok, %{credit: 15}}",
    };
    const PHASES: &'static [Phase] = &[Phase::Before, Phase::After];
    type Config = IncrementConfig;

    fn configure(config: IncrementConfig) -> Result<Self, ConfigError> {
        Ok(Self(config))
    }

    fn run(&self, _phase: Phase, context: &mut TermContext<'_>) -> Result<Flow, Failure> {
        let Self(IncrementConfig { field, by }) = self;
        let count = context.get_int(field)?.unwrap_or(0);
        let sum = count.checked_add(*by).ok_or_else(|| {
            Failure::of(Overflow {
                field: field.clone(),
                by: *by,
            })
        })?;
        context.put(field, sum)?;
        Ok(Flow::Continue)
    }
}

crate::register_hooks!(Increment);
